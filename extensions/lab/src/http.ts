/** The one way to talk to the facility's parts of the user's own Jupyter server. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { createParser } from 'eventsource-parser';

/** An answer that is an error, or no answer: one sentence, and what to do about it. */
export class FacilityError extends Error {
  constructor(
    message: string,
    readonly hint = '',
    /** HTTP status; 0 when nobody answered. */
    readonly status = 0,
    readonly code = ''
  ) {
    super(message);
  }
}

/** Whether an error says that the Jupyter server lacks the part that would answer. */
export function isMissing(error: unknown): boolean {
  return error instanceof FacilityError && error.status === 404 && error.code === '';
}

export interface IStreamOptions {
  /** Called for every event, with its name and the JSON it carries. */
  onEvent: (name: string, data: unknown) => void;
  /** Called when the stream is open (null), and when it broke or could not be opened. */
  onState?: (error: FacilityError | null) => void;
}

/** The server says something at least every 20 s; after so much silence nobody is there. */
const SILENCE = 60_000;

/** What tells whether anybody sees a page. */
type IPage = EventTarget & { readonly hidden: boolean };

/** Requests below `/casita/` of the user's Jupyter server. */
export class Api {
  constructor(
    private readonly settings = ServerConnection.makeSettings(),
    private readonly page: IPage = document
  ) {}

  /** The address of something below `/casita/`. */
  url(path: string): string {
    return URLExt.join(this.settings.baseUrl, 'casita', path);
  }

  /**
   * Send a request and return the JSON of the answer (undefined if it has none).
   *
   * @throws FacilityError
   */
  async request<T>(path: string, method = 'GET', body?: unknown): Promise<T> {
    const answer = await this.send(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    });
    const text = await answer.text();
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /**
   * Follow server-sent events until `signal` is aborted, connecting anew when the stream breaks.
   *
   * A page that nobody sees has no stream: a browser opens six connections to a host, over all of
   * its tabs, and the other pages need them.  Ends when the server has no such stream.
   */
  async follow(path: string, options: IStreamOptions, signal: AbortSignal): Promise<void> {
    let pause = FIRST_PAUSE;
    while (!signal.aborted) {
      await seen(this.page, signal);
      const stream = new AbortController();
      const release = abortWith(stream, this.page, signal);
      try {
        await this.stream(path, stream, options, () => (pause = FIRST_PAUSE));
      } catch (error) {
        const closed = signal.aborted || this.page.hidden;
        if (!closed) {
          options.onState?.(asFacilityError(error));
        }
        if (error instanceof FacilityError && error.status === 404) {
          return; // what is not there now does not come while the page is open
        }
      } finally {
        release();
      }
      await sleep(this.page.hidden ? 0 : pause, signal);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
  }

  private async stream(
    path: string,
    aborter: AbortController,
    options: IStreamOptions,
    opened: () => void
  ): Promise<void> {
    const answer = await this.send(path, {
      signal: aborter.signal,
      headers: { Accept: 'text/event-stream' },
      cache: 'no-store'
    });
    opened();
    options.onState?.(null);
    const parser = createParser({
      onEvent: event => options.onEvent(event.event ?? 'message', JSON.parse(event.data))
    });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const timer = setTimeout(() => aborter.abort(), SILENCE);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) {
        return;
      }
      parser.feed(value);
    }
  }

  private async send(path: string, init: RequestInit): Promise<Response> {
    let answer: Response;
    try {
      answer = await ServerConnection.makeRequest(this.url(path), init, this.settings);
    } catch (error) {
      if (init.signal?.aborted) {
        throw error;
      }
      throw new FacilityError(
        'Your Jupyter server does not answer',
        'It may have been stopped: reload this page.'
      );
    }
    if (!answer.ok) {
      throw await errorOf(answer);
    }
    return answer;
  }
}

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
/** What the hub answers in the place of a server that it has stopped. */
const STOPPED = [424, 503];

/** Read `{"error": {"code", "message", "hint"}}`, or what Jupyter's own errors look like. */
export async function errorOf(answer: Response): Promise<FacilityError> {
  const content: unknown = await answer.json().catch(() => null);
  if (isOurs(content)) {
    const { message, hint, code } = content.error;
    return new FacilityError(message, hint ?? '', answer.status, code ?? 'error');
  }
  if (STOPPED.includes(answer.status)) {
    return stopped(answer.status);
  }
  const said = (content as { message?: string } | null)?.message;
  const status = `The Jupyter server answers ${answer.status} ${answer.statusText}`;
  return new FacilityError(said || status, '', answer.status);
}

interface IErrorBody {
  error: { code?: string; message: string; hint?: string };
}

function isOurs(content: unknown): content is IErrorBody {
  return typeof (content as IErrorBody | null)?.error?.message === 'string';
}

function stopped(status: number): FacilityError {
  return new FacilityError(
    'Your Jupyter server is not running',
    'Start it from the Hub Control Panel, then reload this page.',
    status
  );
}

export function asFacilityError(error: unknown): FacilityError {
  return error instanceof FacilityError ? error : new FacilityError(String(error));
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}

/** Wait until the page is seen, or `signal` is aborted. */
function seen(page: IPage, signal: AbortSignal): Promise<void> {
  if (!page.hidden || signal.aborted) {
    return Promise.resolve();
  }
  return new Promise(resolve => {
    const look = () => {
      if (!page.hidden || signal.aborted) {
        page.removeEventListener('visibilitychange', look);
        signal.removeEventListener('abort', look);
        resolve();
      }
    };
    page.addEventListener('visibilitychange', look);
    signal.addEventListener('abort', look);
  });
}

/** Abort when `signal` is, or nobody sees the page any more; the result takes that back. */
function abortWith(aborter: AbortController, page: IPage, signal: AbortSignal): () => void {
  const look = () => {
    if (signal.aborted || page.hidden) {
      aborter.abort();
    }
  };
  page.addEventListener('visibilitychange', look);
  signal.addEventListener('abort', look);
  return () => {
    page.removeEventListener('visibilitychange', look);
    signal.removeEventListener('abort', look);
  };
}
