/** Where the focus goes when what has it goes. */

import * as React from 'react';

/** When a card or row goes that has the focus, give it to the section, not to the page's start. */
export function useFocusLeft(item: React.RefObject<HTMLElement>): void {
  React.useLayoutEffect(() => {
    const node = item.current!;
    const section = node.closest<HTMLElement>('.casita-Clusters, .casita-Cache, .casita-Columns');
    return () => {
      if (node.contains(document.activeElement)) {
        section?.focus();
      }
    };
  }, [item]);
}
