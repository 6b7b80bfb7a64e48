/** The last lines of each process's log.  Pure. */

/** Lines kept of one process. */
export const KEPT = 20_000;

export type Logs = ReadonlyMap<string, readonly string[]>;

/** The logs with new lines at the end of one. */
export function append(logs: Logs, process: string, text: string): Logs {
  const lines = [...(logs.get(process) ?? []), ...text.split('\n')].slice(-KEPT);
  const entries = [...logs].filter(([name]) => name !== process);
  return new Map([...entries, [process, lines] as const].sort(([a], [b]) => compare(a, b)));
}

/** The scheduler first, workers by name. */
function compare(a: string, b: string): number {
  const rank = (name: string) => (name === 'scheduler' ? 0 : 1);
  return rank(a) - rank(b) || a.localeCompare(b, undefined, { numeric: true });
}

/** Lines that hold some words, whatever their case. */
export function matching(lines: readonly string[], words: string): readonly string[] {
  const wanted = words.trim().toLowerCase();
  return wanted ? lines.filter(one => one.toLowerCase().includes(wanted)) : lines;
}

/** How grave a line is, as Python's and dask's logs write it. */
export function level(line: string): 'error' | 'warning' | 'info' {
  if (/\b(ERROR|CRITICAL|Traceback|[A-Z]\w*Error:)/.test(line)) {
    return 'error';
  }
  return /\bWARN(ING)?\b/.test(line) ? 'warning' : 'info';
}
