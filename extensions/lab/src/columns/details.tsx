/** A request that is open: what was asked for, and what went wrong with which file. */

import * as React from 'react';

import { span } from '../facility/time';
import { FacilityError } from '../http';
import { Trouble, useNow, useTrans } from '../view';
import { baseName, sizeText } from '../words';
import { countText, FILE_LIST, formatText, messageOf, requestTitle, selectionText } from './format';
import { FileFailure, RequestDetails, RequestState } from './models';

interface IDetails {
  request: RequestState;
  /** null until the server has answered. */
  details: RequestDetails | null;
  error: FacilityError | null;
}

export function Details({ request, details, error }: IDetails): React.ReactElement {
  const trans = useTrans();
  return (
    <div className="casita-Request-details">
      <Facts request={request} />
      {error && (
        <Trouble
          error={error}
          missing={trans.__('Your Jupyter server lacks its part for column delivery')}
        />
      )}
      {!details && !error && <p className="casita-quiet">{trans.__('Asking…')}</p>}
      {details && (
        <>
          <h4>{trans.__('Query for %1', request.codegen)}</h4>
          <pre tabIndex={0} aria-label={trans.__('Query of %1', requestTitle(request))}>
            {selectionText(details.selection)}
          </pre>
          <Failures details={details} />
        </>
      )}
    </div>
  );
}

function Facts({ request }: { request: RequestState }): React.ReactElement {
  const trans = useTrans();
  const now = useNow(10);
  const { did, files, events, events_in, bytes_in, trouble } = request;
  const age = Math.max(0, now.getTime() / 1000 - request.submitted);
  const rows: [string, string][] = [
    [
      trans.__('Dataset'),
      did === FILE_LIST ? trans._n('%1 file, by name', '%1 files, by name', files) : did
    ],
    [trans.__('Format'), formatText(request.format, trans)],
    [trans.__('Asked for'), trans.__('%1 ago', span(age, trans))]
  ];
  if (events_in) {
    const read = trans._n('%2 event', '%2 events', events_in, countText(events_in));
    const bytes = bytes_in ? ` (${sizeText(bytes_in)})` : '';
    rows.push([trans.__('Read'), `${read}${bytes}`]);
    rows.push([trans.__('Selected'), trans._n('%2 event', '%2 events', events, countText(events))]);
  }
  return (
    <>
      {trouble && !request.failed && <p className="casita-Request-trouble">{trouble}</p>}
      <dl className="casita-Pairs">
        {rows.map(([term, said]) => (
          <React.Fragment key={term}>
            <dt>{term}</dt>
            <dd title={said}>{said}</dd>
          </React.Fragment>
        ))}
      </dl>
    </>
  );
}

function Failures({ details }: { details: RequestDetails }): React.ReactElement | null {
  const trans = useTrans();
  const { failures, failed } = details;
  if (!failed) {
    return null;
  }
  const more = failed - failures.length;
  return (
    <>
      <h4>{trans._n('%1 file failed', '%1 files failed', failed)}</h4>
      <ul className="casita-FailedFiles">
        {failures.map(one => (
          <Failure key={one.number} failure={one} />
        ))}
      </ul>
      {more > 0 && (
        <p className="casita-quiet">
          {trans._n('and %1 more', 'and %1 more', more)}: <code>casita columns show</code>
        </p>
      )}
    </>
  );
}

function Failure({ failure }: { failure: FileFailure }): React.ReactElement {
  const trans = useTrans();
  const { path, lines, attempts } = failure;
  const text = [
    path,
    trans._n('Tried once', 'Tried %1 times', attempts),
    ...(lines.length ? ['', ...lines] : [])
  ].join('\n');
  return (
    <li>
      <details>
        <summary title={path}>
          <b>{baseName(path)}</b>: {messageOf(failure)}
        </summary>
        <pre tabIndex={0} aria-label={trans.__('What reading %1 said', baseName(path))}>
          {text}
        </pre>
      </details>
    </li>
  );
}
