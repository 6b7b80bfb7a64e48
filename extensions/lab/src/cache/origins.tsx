/** A line for each origin: how its cache is, and what it saves. */

import { circleEmptyIcon, circleIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { Message, useTrans } from '../view';
import { partText } from '../words';
import { hitsText, originTitle, upText } from './format';
import { OriginState } from './models';
import { Bar } from './rows';

export function Origins({ origins }: { origins: readonly OriginState[] }): React.ReactElement {
  const trans = useTrans();
  return (
    <ul className="casita-Rows casita-Origins" aria-label={trans.__('Caches, by origin')}>
      {origins.map(one => (
        <Origin key={one.name} origin={one} />
      ))}
    </ul>
  );
}

function Origin({ origin }: { origin: OriginState }): React.ReactElement {
  const trans = useTrans();
  const icon = origin.up ? circleIcon : circleEmptyIcon;
  const text = partText(origin.cached, origin.size, trans);
  const fraction = origin.size ? origin.cached / origin.size : 0;
  return (
    <li data-origin={origin.name} data-up={origin.up} title={originTitle(origin, trans)}>
      <div className="casita-Origin-title">
        <h3>{origin.name}</h3>
        <span className="casita-State">
          <icon.react tag="span" width="8px" height="8px" aria-hidden="true" />
          {upText(origin, trans)}
        </span>
      </div>
      <div className="casita-Row-facts">
        <Bar label={trans.__('Disk used')} text={text} fraction={fraction} />
        <span>{text}</span>
      </div>
      <div className="casita-quiet">
        {origin.cached || origin.hit_ratio !== null
          ? hitsText(origin, trans)
          : trans.__('Nothing cached yet: what notebooks read from there is kept here.')}
      </div>
      {!origin.up && (
        <Message
          kind="warning"
          message={trans.__('This cache does not answer; notebooks read past it, at the origin')}
          hint={trans.__('If it stays down, ask your operator: `casita status` tells why')}
        />
      )}
    </li>
  );
}
