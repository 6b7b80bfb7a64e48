/** The code that asks for columns, and that gets them.  Pure. */

import { IDraft, titleFor } from './draft';
import { sourceOf } from './source';

const WIDTH = 88;

/** Python that gets what a request has delivered; without `partial` all of it, or an error. */
export function fetchCode(id: string, partial: boolean): string {
  return [
    'from casita_columns.kernel import fetch',
    '',
    `events = fetch(${python(id)}${partial ? ', partial=True' : ''}).awkward()`
  ].join('\n');
}

const FORMATS = { parquet: 'parquet', 'root-file': 'root-ttree', 'root-rntuple': 'root-rntuple' };

/** Python that asks for what was clicked, in the official client's words. */
export function queryCode(draft: IDraft): string {
  const { made, imported } = datasetCode(draft.source);
  const title = python(titleFor(draft));
  const cut = draft.cut.trim();
  return [
    'import casita_columns',
    `from servicex import ${imported}`,
    '',
    'delivered = casita_columns.deliver({',
    `    "General": {"OutputFormat": ${python(FORMATS[draft.format])}},`,
    '    "Sample": [{',
    `        "Name": ${title},`,
    `        "Dataset": ${made},`,
    '        "Query": query.UprootRaw([{',
    `            "treename": ${python(draft.tree)},`,
    `            "filter_name": ${list(draft.columns, 12)},`,
    ...(cut ? [`            "cut": ${python(cut)},`] : []),
    '        }]),',
    '    }],',
    '})',
    `events = delivered[${title}].awkward()`
  ].join('\n');
}

function datasetCode(source: string): { made: string; imported: string } {
  const { did, files } = sourceOf(source);
  if (files.length) {
    return { made: `dataset.FileList(${list(files, 8)})`, imported: 'dataset, query' };
  }
  const [, scheme = '', name = ''] = /^(\w+):\/\/(.*)$/.exec(did) ?? [];
  const simple = !/\?[\w.-]+=/.test(name);
  if (scheme === 'rucio' && simple) {
    return { made: `dataset.Rucio(${python(name)})`, imported: 'dataset, query' };
  }
  if (scheme === 'cernopendata' && /^\d+$/.test(name)) {
    return { made: `dataset.CERNOpenData(${name})`, imported: 'dataset, query' };
  }
  if (/^(xrootd|x?roots?|file)$/.test(scheme) && simple) {
    const pattern = scheme === 'xrootd' || scheme === 'file' ? name : did;
    return { made: `dataset.XRootD(${python(pattern)})`, imported: 'dataset, query' };
  }
  // Any other finder, for which the client has no class of its own.
  const words = scheme ? [scheme, name] : ['rucio', did];
  return {
    made: `dataset_identifier.DataSetIdentifier(${words.map(python).join(', ')})`,
    imported: 'dataset_identifier, query'
  };
}

/** A Python literal: JSON's texts are Python's. */
function python(text: string): string {
  return JSON.stringify(text);
}

/** A list on one line, or where that is too long, an item a line. */
function list(items: readonly string[], indent: number): string {
  const short = `[${items.map(python).join(', ')}]`;
  if (short.length + indent <= WIDTH - 15) {
    return short;
  }
  const space = ' '.repeat(indent);
  return `[\n${items.map(one => `${space}    ${python(one)},`).join('\n')}\n${space}]`;
}
