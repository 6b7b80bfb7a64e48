/** The folders and files of the origins; each folder is asked for when it is opened. */

import { caretDownIcon, caretRightIcon, folderIcon, LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { useObservable } from '../observable';
import { Trouble, useNow, useTrans } from '../view';
import { baseName, percentText, sizeText } from '../words';
import { cachedText, fileTitle } from './format';
import { FileState, FolderState, Listing, OriginState } from './models';
import { Bar, IDoing, Many, PinMark, Row } from './rows';
import { CacheStore } from './store';
import { ofFile } from './subject';
import { rootOf } from './tree';

interface IShared extends IDoing {
  store: CacheStore;
  now: Date;
}

interface IFiles extends IDoing {
  store: CacheStore;
  origins: readonly OriginState[];
}

export function Files({ origins, ...doing }: IFiles): React.ReactElement {
  const trans = useTrans();
  const now = useNow(30);
  return (
    <ul className="casita-Rows casita-Tree" aria-label={trans.__('Files, by origin')}>
      {origins.map(one => (
        <Folder
          key={one.name}
          url={rootOf(one)}
          name={one.name}
          about={one.url}
          held={one}
          now={now}
          {...doing}
        />
      ))}
    </ul>
  );
}

interface IFolder extends IShared {
  url: string;
  name: string;
  /** For the tooltip. */
  about: string;
  held: Pick<FolderState, 'cached'>;
  icon?: LabIcon;
}

function Folder({ url, name, about, held, icon, ...shared }: IFolder): React.ReactElement {
  const trans = useTrans();
  const node = useObservable(shared.store.tree).get(url);
  const open = node?.open ?? false;
  const caret = open ? caretDownIcon : caretRightIcon;
  return (
    <li>
      <button
        type="button"
        className="casita-Folder"
        title={about}
        aria-expanded={open}
        onClick={() => shared.store.toggle(url)}
      >
        <caret.react tag="span" width="14px" height="14px" aria-hidden="true" />
        {icon && <icon.react tag="span" width="14px" height="14px" aria-hidden="true" />}
        <span className="casita-Folder-name">{name}</span>
        {held.cached > 0 && (
          <span className="casita-quiet">{trans.__('%1 cached', sizeText(held.cached))}</span>
        )}
      </button>
      {open && (
        <div className="casita-Tree-inside">
          {node?.error && (
            <Trouble
              error={node.error}
              missing={trans.__('Your Jupyter server can not list files')}
            />
          )}
          {node?.listing ? (
            <Inside listing={node.listing} name={name} {...shared} />
          ) : (
            !node?.error && <p className="casita-quiet">{trans.__('Asking the origin…')}</p>
          )}
        </div>
      )}
    </li>
  );
}

interface IInside extends IShared {
  listing: Listing;
  name: string;
}

type Entry = FolderState | FileState;

function Inside({ listing, name, ...shared }: IInside): React.ReactElement {
  const trans = useTrans();
  const all: Entry[] = [...listing.folders, ...listing.files];
  return (
    <>
      {!listing.complete && (
        <p className="casita-quiet">
          {trans.__('The origin does not answer: only what is cached is shown.')}
        </p>
      )}
      {all.length > 0 ? (
        <Many all={all} label={trans.__('In %1', name)}>
          {one =>
            'fraction' in one ? (
              <File key={one.url} file={one} {...shared} />
            ) : (
              <Folder
                key={one.url}
                url={one.url}
                name={baseName(one.path)}
                about={one.url}
                held={one}
                icon={folderIcon}
                {...shared}
              />
            )
          }
        </Many>
      ) : (
        listing.complete && <p className="casita-quiet">{trans.__('This folder is empty.')}</p>
      )}
    </>
  );
}

function File({ file, now, ...doing }: IShared & { file: FileState }): React.ReactElement {
  const trans = useTrans();
  return (
    <Row
      subject={ofFile(file)}
      className="casita-File"
      title={fileTitle(file, now, trans)}
      {...doing}
    >
      <div className="casita-Row-title">
        <span>{baseName(file.path)}</span>
        {file.pinned && <PinMark />}
      </div>
      <div className="casita-Row-facts">
        <Bar
          label={trans.__('Cached')}
          text={cachedText(file.cached, file.size, file.fraction, trans)}
          fraction={file.fraction}
        />
        <span className="casita-Percent">{percentText(file.fraction)}</span>
        <span className="casita-quiet">{sizeText(file.size)}</span>
      </div>
    </Row>
  );
}
