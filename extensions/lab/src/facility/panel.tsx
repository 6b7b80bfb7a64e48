/** The widget in the left sidebar: a header, and a section for each service of the facility. */

import { TranslationBundle } from '@jupyterlab/translation';
import { SidePanel } from '@jupyterlab/ui-components';
import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { AccordionPanel, Panel } from '@lumino/widgets';
import * as React from 'react';

import { Api, FacilityError } from '../http';
import { Observable } from '../observable';
import { Message, View } from '../view';
import { Header } from './header';
import { BackendState, FacilityState } from './models';
import { explanation, position, unexplained } from './sections';
import { IFacilityPanel, IFacilitySection } from './token';

interface IShown extends IFacilitySection {
  frame: Panel;
}

export class FacilityPanel extends SidePanel implements IFacilityPanel {
  constructor(
    readonly api: Api,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('casita-FacilityPanel');
    const header = new View(
      trans,
      <Header facility={this.facility} problem={this.problem} summaries={this.summaries} />
    );
    this.header.addWidget(header);
    this.content.node.setAttribute('aria-label', trans.__('Services of the facility'));
    this.facility.changed.connect(() => {
      this.explain();
      this.signal.emit(this.state);
    });
  }

  readonly facility = new Observable<FacilityState | null>(null);
  readonly problem = new Observable<FacilityError | null>(null);

  get state(): FacilityState | null {
    return this.facility.value;
  }

  get stateChanged(): ISignal<IFacilityPanel, FacilityState | null> {
    return this.signal;
  }

  addSection(section: IFacilitySection): IDisposable {
    const frame = new Panel();
    frame.addClass('casita-Section');
    frame.title.label = section.title;
    frame.addWidget(section.widget);
    const shown: IShown = { ...section, frame };
    const index = position(this.sections, section);
    this.sections.splice(index, 0, shown);
    this.insertWidget(index, frame);
    (this.content as AccordionPanel).expand(index);
    this.explain();
    return new DisposableDelegate(() => {
      this.sections.splice(this.sections.indexOf(shown), 1);
      frame.dispose();
      this.setSummary(section.id, null);
    });
  }

  setSummary(id: string, text: string | null): void {
    const next = new Map(this.summaries.value);
    if (text === null) {
      next.delete(id);
    } else {
      next.set(id, text);
    }
    this.summaries.value = next;
  }

  /** Put a line in the place of what can't be used, and back. */
  private explain(): void {
    const backends = this.state?.backends ?? [];
    for (const { id, widget, frame } of this.sections) {
      const why = explanation(id, backends);
      widget.setHidden(why !== null);
      this.lines.get(id)?.dispose();
      this.lines.delete(id);
      if (why) {
        this.lines.set(id, this.line(why, frame));
      }
    }
    for (const why of unexplained(backends, this.sections)) {
      this.addSection({ id: why.name, title: why.title, widget: new Panel() });
    }
  }

  private line(why: BackendState, frame: Panel): View {
    const view = new View(
      this.trans,
      <Message kind="warning" message={why.reason} hint={why.remedy} />
    );
    frame.insertWidget(0, view);
    return view;
  }

  private readonly sections: IShown[] = [];
  private readonly lines = new Map<string, View>();
  private readonly summaries = new Observable<ReadonlyMap<string, string>>(new Map());
  private readonly signal = new Signal<IFacilityPanel, FacilityState | null>(this);
}
