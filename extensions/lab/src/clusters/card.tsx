/** One cluster: its state, and what can be done with it. */

import {
  circleEmptyIcon,
  circleIcon,
  codeIcon,
  editIcon,
  runningIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import * as React from 'react';

import { IconButton } from '../button';
import { secondsSince, secondsUntil, span } from '../facility/time';
import { dashboardIcon, layoutIcon, logsIcon, workersIcon } from '../icons';
import { useFocusLeft } from '../section';
import { useNow, useTrans } from '../view';
import { ICode, IDashboards, ILogs } from './actions';
import { RenameForm, WorkersForm } from './change';
import {
  ageText,
  fullTitle,
  gib,
  isBusy,
  stateText,
  tasksText,
  title,
  workersText
} from './format';
import { Cluster } from './models';
import { Operations } from './operations';

export interface IPartners {
  dashboards: IDashboards | null;
  logs: ILogs | null;
  code: ICode | null;
}

export interface ICard extends IPartners {
  cluster: Cluster;
  operations: Operations;
}

type Change = 'workers' | 'name' | null;

export function Card(props: ICard): React.ReactElement {
  const { cluster, operations } = props;
  const trans = useTrans();
  const [change, setChange] = React.useState<Change>(null);
  const close = () => setChange(null);
  const item = React.useRef<HTMLLIElement>(null);
  useFocusLeft(item);
  return (
    <li ref={item} className="casita-Card" data-cluster={cluster.name} data-status={cluster.status}>
      <div className="casita-Card-title">
        <h3 title={fullTitle(cluster)}>{title(cluster)}</h3>
        <State cluster={cluster} />
      </div>
      <Facts cluster={cluster} />
      <Buttons {...props} change={change} onChange={setChange} />
      {change === 'workers' && (
        <WorkersForm cluster={cluster} operations={operations} onClose={close} />
      )}
      {change === 'name' && (
        <RenameForm cluster={cluster} operations={operations} onClose={close} />
      )}
      {cluster.status === 'pending' && (
        <div className="casita-Progress" role="progressbar" aria-label={trans.__('Starting')} />
      )}
    </li>
  );
}

function State({ cluster }: { cluster: Cluster }): React.ReactElement {
  const trans = useTrans();
  const still = cluster.status === 'running' ? circleIcon : circleEmptyIcon;
  const icon = isBusy(cluster) ? runningIcon : still;
  return (
    <span className="casita-State" data-busy={isBusy(cluster)}>
      <icon.react tag="span" width="10px" height="10px" aria-hidden="true" />
      {stateText(cluster, trans)}
    </span>
  );
}

function Facts({ cluster }: { cluster: Cluster }): React.ReactElement {
  const trans = useTrans();
  const now = useNow(30);
  const { cores, memory, memory_used: used } = cluster;
  const tasks = tasksText(cluster, trans);
  const age = ageText(secondsSince(cluster.started, now), trans);
  const ends =
    cluster.idle_ends &&
    trans.__('stops in %1 if idle', span(secondsUntil(cluster.idle_ends, now), trans));
  return (
    <div className="casita-Facts">
      {cluster.status === 'pending' ? (
        <div>{trans.__('The scheduler is being started…')}</div>
      ) : (
        <div>
          {workersText(cluster, trans)}
          {cores !== null && ` · ${trans._n('%1 core', '%1 cores', cores)}`}
        </div>
      )}
      {memory !== null && memory > 0 && <Memory used={used} limit={memory} />}
      {tasks && <div>{trans.__('Tasks: %1', tasks)}</div>}
      <div className="casita-quiet">{ends ? `${age} · ${ends}` : age}</div>
    </div>
  );
}

/** Share of its memory at which a worker starts to pause and to spill. */
const NEARLY_FULL = 0.8;

function Memory({ used, limit }: { used: number | null; limit: number }): React.ReactElement {
  const trans = useTrans();
  if (used === null) {
    return <div>{trans.__('%1 GiB of memory', gib(limit))}</div>;
  }
  const text = trans.__('%1 of %2 GiB', gib(used), gib(limit));
  return (
    <div className="casita-Memory">
      <div
        className="casita-Meter"
        role="meter"
        aria-label={trans.__('Memory used')}
        aria-valuemin={0}
        aria-valuemax={limit}
        aria-valuenow={used}
        aria-valuetext={text}
        data-high={used > NEARLY_FULL * limit}
      >
        <div style={{ width: `${Math.min(100, (100 * used) / limit)}%` }} />
      </div>
      <span aria-hidden="true">{text}</span>
    </div>
  );
}

interface IButtons extends ICard {
  change: Change;
  onChange: (change: Change) => void;
}

function Buttons(props: IButtons): React.ReactElement {
  const { cluster, operations, dashboards, logs, code, change, onChange } = props;
  const trans = useTrans();
  const toggle = (one: Change) => () => onChange(change === one ? null : one);
  const running = cluster.status === 'running';
  return (
    <div
      className="casita-Buttons"
      role="group"
      aria-label={trans.__('Do with %1', title(cluster))}
    >
      {code && <CodeButton cluster={cluster} code={code} disabled={!running} />}
      {dashboards && (
        <>
          <IconButton
            icon={dashboardIcon}
            label={trans.__('Dashboards…')}
            disabled={!running}
            onClick={() => dashboards.choose(cluster)}
          />
          <IconButton
            icon={layoutIcon}
            label={trans.__('Open dashboards side by side')}
            disabled={!running}
            onClick={() => dashboards.openLayout(cluster)}
          />
        </>
      )}
      <IconButton
        icon={workersIcon}
        label={trans.__('Change workers')}
        disabled={!running}
        expanded={change === 'workers'}
        onClick={toggle('workers')}
      />
      {logs && (
        <IconButton
          icon={logsIcon}
          label={trans.__('Logs')}
          onClick={() => logs.open(cluster.name, title(cluster))}
        />
      )}
      <IconButton
        icon={editIcon}
        label={trans.__('Rename')}
        expanded={change === 'name'}
        onClick={toggle('name')}
      />
      <IconButton
        icon={stopIcon}
        label={trans.__('Stop')}
        onClick={() => void operations.stop(cluster)}
      />
    </div>
  );
}

/** Pixels that a pointer moves before a click becomes a drag. */
const DRAG_THRESHOLD = 5;

interface ICodeButton {
  cluster: Cluster;
  code: ICode;
  disabled: boolean;
}

/** Inserts code at a click; drags it when the pointer moves away. */
function CodeButton({ cluster, code, disabled }: ICodeButton): React.ReactElement {
  const trans = useTrans();
  const press = (down: React.PointerEvent) => {
    if (down.button !== 0) {
      return;
    }
    const pressed = new AbortController();
    const { signal } = pressed;
    const release = () => pressed.abort();
    const move = (event: PointerEvent) => {
      const far = Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY);
      if (far > DRAG_THRESHOLD) {
        release();
        code.drag(cluster, event.clientX, event.clientY);
      }
    };
    document.addEventListener('pointermove', move, { signal });
    document.addEventListener('pointerup', release, { signal });
    document.addEventListener('pointercancel', release, { signal });
  };
  return (
    <IconButton
      icon={codeIcon}
      label={trans.__('Insert code that connects (or drag it into a notebook)')}
      disabled={disabled}
      onClick={() => code.insert(cluster)}
      onPointerDown={press}
    />
  );
}
