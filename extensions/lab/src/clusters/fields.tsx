/** Fields of a form, each with its label and what is wrong with it. */

import * as React from 'react';

import { useTrans } from '../view';
import { IWorkers } from './form';
import { Option } from './models';

interface IField {
  label: string;
  error?: string;
  /** Draws the input; gets what ties it to label and error. */
  children: (ties: IInputTies) => React.ReactElement;
}

export interface IInputTies {
  id: string;
  'aria-invalid': boolean;
  'aria-describedby'?: string;
}

export function Field({ label, error, children }: IField): React.ReactElement {
  const id = React.useId();
  const ties: IInputTies = {
    id,
    'aria-invalid': Boolean(error),
    ...(error ? { 'aria-describedby': `${id}-error` } : {})
  };
  return (
    <div className="casita-Field">
      <label htmlFor={id}>{label}</label>
      {children(ties)}
      {error && (
        <div id={`${id}-error`} className="casita-Field-error">
          {error}
        </div>
      )}
    </div>
  );
}

interface IOptionField {
  option: Option;
  value: string;
  error?: string;
  onChange: (value: string) => void;
}

/** One of the gateway's options, whatever its type. */
export function OptionField(props: IOptionField): React.ReactElement {
  const { option, error } = props;
  return (
    <Field label={option.label} error={error}>
      {ties => <OptionInput {...props} ties={ties} />}
    </Field>
  );
}

function OptionInput(props: IOptionField & { ties: IInputTies }): React.ReactElement {
  const { option, value, onChange, ties } = props;
  if (option.choices) {
    return (
      <select {...ties} value={value} onChange={event => onChange(event.target.value)}>
        {option.choices.map(one => (
          <option key={one}>{one}</option>
        ))}
      </select>
    );
  }
  if (option.type === 'bool') {
    return (
      <input
        {...ties}
        type="checkbox"
        checked={value === 'true'}
        onChange={event => onChange(String(event.target.checked))}
      />
    );
  }
  const number = option.type === 'int' || option.type === 'float';
  return (
    <input
      {...ties}
      type={number ? 'number' : 'text'}
      step={option.type === 'int' ? 1 : 'any'}
      min={option.min ?? undefined}
      max={option.max ?? undefined}
      maxLength={option.field === 'label' ? 60 : undefined}
      value={value}
      onChange={event => onChange(event.target.value)}
    />
  );
}

interface IWorkersFields {
  value: IWorkers;
  errors: Readonly<Record<string, string>>;
  onChange: (value: IWorkers) => void;
}

/** How many workers: a number, or bounds between which they follow the load. */
export function WorkersFields({ value, errors, onChange }: IWorkersFields): React.ReactElement {
  const trans = useTrans();
  const group = React.useId();
  const choice = (adaptive: boolean, label: string) => (
    <label>
      <input
        type="radio"
        name={group}
        checked={value.adaptive === adaptive}
        onChange={() => onChange({ ...value, adaptive })}
      />
      {label}
    </label>
  );
  const number = (name: 'workers' | 'minimum' | 'maximum', label: string) => (
    <Field label={label} error={errors[name]}>
      {ties => (
        <input
          {...ties}
          type="number"
          min={0}
          step={1}
          placeholder={name === 'maximum' ? trans.__('all you may have') : undefined}
          value={value[name]}
          onChange={event => onChange({ ...value, [name]: event.target.value })}
        />
      )}
    </Field>
  );
  return (
    <fieldset className="casita-Workers">
      <legend>{trans.__('Workers')}</legend>
      <div className="casita-Workers-choice">
        {choice(false, trans.__('Fixed number'))}
        {choice(true, trans.__('Follow the load'))}
      </div>
      {value.adaptive ? (
        <div className="casita-Workers-bounds">
          {number('minimum', trans.__('At least'))}
          {number('maximum', trans.__('At most'))}
        </div>
      ) : (
        number('workers', trans.__('Number'))
      )}
    </fieldset>
  );
}
