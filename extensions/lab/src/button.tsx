/** A button that is an icon, with a label for those who hover or listen. */

import { LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

interface IIconButton {
  icon: LabIcon;
  label: string;
  onClick: (event: React.MouseEvent) => void;
  disabled?: boolean;
  expanded?: boolean;
  /** Whether it opens a menu. */
  menu?: boolean;
  onPointerDown?: React.PointerEventHandler;
}

export function IconButton(props: IIconButton): React.ReactElement {
  const { icon, label, onClick, disabled, expanded, menu, onPointerDown } = props;
  return (
    <button
      type="button"
      className="casita-IconButton"
      title={label}
      aria-label={label}
      aria-expanded={expanded}
      aria-haspopup={menu ? 'menu' : undefined}
      disabled={disabled}
      onClick={onClick}
      onPointerDown={onPointerDown}
    >
      <icon.react tag="span" width="16px" height="16px" aria-hidden="true" />
    </button>
  );
}
