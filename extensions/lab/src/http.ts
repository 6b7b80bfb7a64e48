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

/** Requests below `/casita/` of the user's Jupyter server. */
export class Api {
  constructor(private readonly settings = ServerConnection.makeSettings()) {}

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
   */
  async follow(path: string, options: IStreamOptions, signal: AbortSignal): Promise<void> {
    let pause = FIRST_PAUSE;
    while (!signal.aborted) {
      try {
        await this.stream(path, signal, options, () => (pause = FIRST_PAUSE));
      } catch (error) {
        if (signal.aborted) {
          return;
        }
        options.onState?.(asFacilityError(error));
        if (isMissing(error)) {
          return; // a server does not grow new parts while it runs
        }
      }
      await sleep(pause, signal);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
  }

  private async stream(
    path: string,
    signal: AbortSignal,
    options: IStreamOptions,
    opened: () => void
  ): Promise<void> {
    const answer = await this.send(path, {
      signal,
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
      const { done, value } = await reader.read();
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
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
