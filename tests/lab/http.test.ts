// @vitest-environment node
/** How the panel talks to the Jupyter server: a real fetch, and a server that says what a test wants. */

import { createServer, IncomingMessage, Server, ServerResponse } from 'node:http';
import { AddressInfo } from 'node:net';

import { ServerConnection } from '@jupyterlab/services';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { Events } from '../../extensions/lab/src/events';
import { Api, FacilityError, isMissing } from '../../extensions/lab/src/http';

/** Whether anybody sees the page. */
const page = Object.assign(new EventTarget(), { hidden: false });

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let answers: Answer[];
let seen: { method: string; path: string; body: string }[];
let api: Api;

beforeEach(async () => {
  answers = [];
  seen = [];
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      seen.push({ method: request.method!, path: request.url!.split('?')[0]!, body });
      const answer = answers.length > 1 ? answers.shift()! : answers[0]!; // the last one stays
      answer(request, response);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const baseUrl = `http://127.0.0.1:${port}/user/alice/`;
  api = new Api(ServerConnection.makeSettings({ baseUrl, fetch }), page);
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
});

/** An answer of JSON, or of text. */
function says(status: number, content: unknown): Answer {
  return (_, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(typeof content === 'string' ? content : JSON.stringify(content));
  };
}

/** A stream of these pieces, which then breaks. */
function streams(...pieces: (string | Buffer)[]): Answer {
  return (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const next = () => {
      const piece = pieces.shift();
      if (piece === undefined) {
        response.end();
      } else {
        response.write(piece);
        setTimeout(next, 20); // a packet of its own
      }
    };
    next();
  };
}

async function refusal(answer: Answer): Promise<FacilityError> {
  answers = [answer];
  const error: unknown = await api.request('clusters').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FacilityError);
  return error as FacilityError;
}

describe('a request', () => {
  test('goes below /casita/ of the base URL, with JSON both ways', async () => {
    answers = [says(201, { name: 'a1' })];
    expect(await api.request('clusters', 'POST', { workers: 2 })).toEqual({ name: 'a1' });
    expect(seen).toEqual([
      { method: 'POST', path: '/user/alice/casita/clusters', body: '{"workers":2}' }
    ]);
  });

  test('may be answered by nothing', async () => {
    answers = [(_, response) => response.writeHead(204).end()];
    expect(await api.request('clusters/a1', 'DELETE')).toBeUndefined();
    expect(seen[0]!.body).toBe('');
  });

  test('that is refused says what the service said, and its hint', async () => {
    const error = { code: 'quota', message: '8 of 8 cores are in use', hint: 'Stop a cluster.' };
    const refused = await refusal(says(409, { error }));
    expect(refused).toMatchObject({ ...error, status: 409 });
    expect(isMissing(refused)).toBe(false);
  });

  test('for a cluster that is gone is no sign of a missing server module', async () => {
    const error = { code: 'missing', message: 'no cluster a1' };
    expect(isMissing(await refusal(says(404, { error })))).toBe(false);
    expect(isMissing(await refusal(says(404, { message: 'Not Found' })))).toBe(true);
    expect(isMissing(await refusal(says(404, '<html>')))).toBe(true);
  });

  test("that fails otherwise says what Jupyter's own error or status says", async () => {
    expect((await refusal(says(403, { message: 'Forbidden' }))).message).toBe('Forbidden');
    const page = await refusal(says(502, '<html>'));
    expect(page.message).toBe('The Jupyter server answers 502 Bad Gateway');
  });

  test('that nobody answers says so, with a remedy', async () => {
    const silent = await refusal(request => request.socket.destroy());
    expect(silent.status).toBe(0);
    expect(silent.message).toBe('Your Jupyter server does not answer');
    expect(silent.hint).toContain('reload');
  });
});

/** Follow a stream until as many events and states as wanted have come; return all of them. */
async function follow(wanted: number): Promise<unknown[]> {
  const got: unknown[] = [];
  const stop = new AbortController();
  const note = (one: unknown) => {
    got.push(one);
    if (got.length >= wanted) {
      stop.abort();
    }
  };
  await api.follow(
    'clusters/events',
    {
      onEvent: (name, data) => note({ [name]: data }),
      onState: error => note(error?.status ?? null)
    },
    stop.signal
  );
  return got;
}

describe('a stream', () => {
  test('yields events whole, however they are cut, and no comments', async () => {
    const text = Buffer.from(': hello\n\nevent: overview\ndata: {"label":"\u00fcber"}\n\n');
    const cut = text.indexOf(0xc3) + 1; // amid a letter of two bytes
    answers = [
      streams(text.subarray(0, 14), text.subarray(14, cut), text.subarray(cut), 'data: 1\n\n')
    ];
    expect(await follow(3)).toEqual([null, { overview: { label: '\u00fcber' } }, { message: 1 }]);
  });

  test('that breaks is opened anew', async () => {
    answers = [streams('data: 1\n\n'), streams('data: 2\n\n')];
    expect(await follow(4)).toEqual([null, { message: 1 }, null, { message: 2 }]);
    expect(seen.map(one => one.path)).toEqual(Array(2).fill('/user/alice/casita/clusters/events'));
  });

  test('that is refused for now is tried again, and says why meanwhile', async () => {
    answers = [says(503, { error: { code: 'busy', message: 'later' } }), streams('data: 1\n\n')];
    expect(await follow(3)).toEqual([503, null, { message: 1 }]);
  });

  test('of a missing server module is not tried again', async () => {
    answers = [says(404, { message: 'Not Found' })];
    expect(await follow(Infinity)).toEqual([404]); // ends by itself
    expect(seen.length).toBe(1);
  });

  test('ends at once when it is no longer wanted, and says nothing of it', async () => {
    answers = [
      (_, response) => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        response.write('data: 1\n\n'); // and stays open
      }
    ];
    expect(await follow(2)).toEqual([null, { message: 1 }]);
  });
});

test('a page that nobody sees has no stream, and gets one when it is seen again', async () => {
  const aborter = new AbortController();
  let closed = 0;
  answers = [
    (request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write(`event: look\ndata: ${seen.length}\n\n`);
      request.socket.once('close', () => closed++);
      response.once('close', () => closed++);
    }
  ];
  const told: unknown[] = [];
  const errors: unknown[] = [];
  const following = api.follow(
    'events',
    { onEvent: (_, data) => told.push(data), onState: error => error && errors.push(error) },
    aborter.signal
  );
  await expect.poll(() => told).toEqual([1]);
  page.hidden = true;
  page.dispatchEvent(new Event('visibilitychange'));
  await expect.poll(() => closed).toBeGreaterThan(0);
  expect(seen).toHaveLength(1);
  page.hidden = false;
  page.dispatchEvent(new Event('visibilitychange'));
  await expect.poll(() => told).toEqual([1, 2]);
  expect(errors).toEqual([]);
  aborter.abort();
  await following;
});

test('one stream serves all watches, and says what is wrong with each', async () => {
  const line = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  answers = [
    (_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write(line('watches', { names: ['facility', 'clusters'] }));
      response.write(line('facility', { name: 'casita' }));
      const trouble = { watch: 'clusters', code: 'unavailable', message: 'no', hint: 'wait' };
      response.write(line('trouble', trouble));
    }
  ];
  const events = new Events(api);
  const facility = events.watch('facility');
  const clusters = events.watch('clusters');
  const cache = events.watch('cache');
  await expect.poll(() => clusters.problem.value?.hint).toBe('wait');
  expect(facility.value.value).toEqual({ name: 'casita' });
  expect(facility.problem.value).toBeNull();
  expect(isMissing(cache.problem.value)).toBe(true);
  expect(isMissing(events.watch('later').problem.value)).toBe(true);
  expect(seen).toHaveLength(1);
});
