import { describe, expect, it } from 'vitest';

import { chosen, plan } from '../../extensions/lab/src/dashboards/layout';
import { connectCode } from '../../extensions/lab/src/code/text';
import { differencesText } from '../../extensions/lab/src/code/environment';
import { append, KEPT, level, Logs, matching } from '../../extensions/lab/src/logs/buffer';
import { nullTranslator } from '@jupyterlab/translation';

const trans = nullTranslator.load('casita');
const pages = ['a', 'b', 'c', 'd', 'e'].map(path => ({ title: path, path }));

describe('a layout', () => {
  it('begins with a tab and splits what is there already', () => {
    const places = plan(pages);
    expect(places[0]).toEqual({ page: pages[0], splits: -1, mode: 'tab-after' });
    expect(places.map(one => one.splits)).toEqual([-1, 0, 0, 1, 2]);
    places.forEach((one, index) => expect(one.splits).toBeLessThan(index));
  });

  it('holds the pages there are, in the order asked for', () => {
    expect(chosen(['d', 'nothing', 'a'], pages).map(one => one.path)).toEqual(['d', 'a']);
    expect(plan(chosen([], pages))).toEqual([]);
  });
});

describe('code that connects', () => {
  it('goes by the name and tells the label', () => {
    expect(connectCode({ name: 'abc', label: '' })).toBe(
      'from casita_clusters import connect\n\nclient = connect("abc")'
    );
    expect(connectCode({ name: 'abc', label: 'ttbar' })).toMatch(/connect\("abc"\) {2}# ttbar$/);
  });
});

describe('differences of packages', () => {
  const difference = (name: string, there: string | null) => ({ package: name, here: '1', there });

  it('are not mentioned where there are none', () => {
    expect(differencesText({ shared: true, differences: [] }, trans)).toBe('');
  });

  it('name what matters most first, and few', () => {
    const names = ['zlib', 'a', 'b', 'c', 'numpy', 'dask'];
    const differences = names.map(one => difference(one, one === 'a' ? null : '2'));
    const text = differencesText({ shared: false, differences }, trans);
    expect(text).toMatch(
      /^dask 2 instead of 1, numpy 2 instead of 1, .*, 1 more\. Make the cluster/
    );
    expect(text).not.toContain('a is missing');
  });
});

describe('logs', () => {
  it('are appended by process, the scheduler first and workers by number', () => {
    let logs: Logs = new Map();
    for (const name of ['worker-10', 'scheduler', 'worker-2', 'scheduler']) {
      logs = append(logs, name, `one of ${name}\ntwo`);
    }
    expect([...logs.keys()]).toEqual(['scheduler', 'worker-2', 'worker-10']);
    expect(logs.get('scheduler')).toHaveLength(4);
  });

  it('keep their last lines', () => {
    const text = Array.from({ length: KEPT + 5 }, (_, index) => String(index)).join('\n');
    const lines = append(new Map(), 'scheduler', text).get('scheduler')!;
    expect(lines).toHaveLength(KEPT);
    expect(lines.at(-1)).toBe(String(KEPT + 4));
  });

  it('are filtered whatever the case', () => {
    expect(matching(['An Error', 'fine'], ' error ')).toEqual(['An Error']);
    expect(matching(['a', 'b'], ' ')).toHaveLength(2);
  });

  it('tell how grave a line is', () => {
    expect(level('2026 - distributed.worker - WARNING - x')).toBe('warning');
    expect(level('Traceback (most recent call last):')).toBe('error');
    expect(level('ModuleNotFoundError: no')).toBe('error');
    expect(level('2026 - distributed - INFO - warned by nobody')).toBe('info');
  });
});
