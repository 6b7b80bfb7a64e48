/** The code that reads what the cache has.  Pure. */

/** Two lines of Python that give a dataset in coffea's form. */
export function datasetCode(name: string): string {
  return `import casita_cache\nfileset = casita_cache.fileset(${JSON.stringify(name)})`;
}

/** Two lines of Python that open a tree of a file. */
export function fileCode(url: string, tree: string): string {
  return `import uproot\ntree = uproot.open(${JSON.stringify(url)})[${JSON.stringify(tree)}]`;
}
