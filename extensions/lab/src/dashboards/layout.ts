/** Where the pages of a layout go.  Pure. */

import { Page } from '../clusters/models';

/** One page: beside or below the one opened `beside` steps earlier in the list. */
export interface IPlace {
  page: Page;
  /** Index of the page that it splits; -1 for the first. */
  splits: number;
  mode: 'tab-after' | 'split-right' | 'split-bottom';
}

/**
 * Pages side by side: a large one on the left, the others on the right, below each other; from
 * four on in two rows of equal right columns.
 */
export function plan(pages: readonly Page[]): IPlace[] {
  return pages.map((page, index) => {
    if (index === 0) {
      return { page, splits: -1, mode: 'tab-after' };
    }
    if (index === 1) {
      return { page, splits: 0, mode: 'split-right' };
    }
    return { page, splits: index === 2 ? 0 : index - 2, mode: 'split-bottom' };
  });
}

/** The pages of a layout that a dashboard has, in the layout's order. */
export function chosen(paths: readonly string[], available: readonly Page[]): Page[] {
  return paths.flatMap(path => available.filter(one => one.path === path));
}
