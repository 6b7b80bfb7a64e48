/** What Lab's packages expect of a browser, and jsdom lacks. */

if (typeof window !== 'undefined') {
  globalThis.DragEvent ??= class extends MouseEvent {} as typeof DragEvent;
  window.matchMedia ??= (media: string) =>
    Object.assign(new EventTarget(), { media, matches: false }) as MediaQueryList;
  window.requestIdleCallback ??= callback =>
    window.setTimeout(callback, 0, { didTimeout: false, timeRemaining: () => 0 });
  globalThis.ResizeObserver ??= class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  };
}
