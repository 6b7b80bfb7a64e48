/** The widget in the left sidebar: a header, and a section for each service of the facility. */

import { TranslationBundle } from '@jupyterlab/translation';
import { PanelWithToolbar, SidePanel } from '@jupyterlab/ui-components';
import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { AccordionPanel, Widget } from '@lumino/widgets';
import * as React from 'react';

import { Events, IWatched } from '../events';
import { Api } from '../http';
import { Observable } from '../observable';
import { Message, View } from '../view';
import { Header } from './header';
import { BackendState, FacilityState } from './models';
import { explanation, position, unexplained } from './sections';
import { IFacilityPanel, IFacilitySection } from './token';

interface IShown extends IFacilitySection {
  frame: PanelWithToolbar;
  /** What stands in the widget's place while the backend can't be used. */
  line?: Widget;
}

export class FacilityPanel extends SidePanel implements IFacilityPanel {
  constructor(
    readonly api: Api,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('casita-FacilityPanel');
    this.node.tabIndex = -1;
    this.events = new Events(api);
    const { value, problem } = this.watch<FacilityState>('facility');
    this.facility = value;
    const header = new View(
      trans,
      <Header facility={value} problem={problem} summaries={this.summaries} />
    );
    this.header.addWidget(header);
    this.content.node.setAttribute('aria-label', trans.__('Services of the facility'));
    this.facility.changed.connect(() => {
      // The clock changes often, backends hardly ever: what is drawn anew flickers.
      const backends = JSON.stringify(this.state?.backends);
      if (backends !== this.explained) {
        this.explained = backends;
        this.explain();
      }
      this.signal.emit(this.state);
    });
  }

  readonly facility: Observable<FacilityState | null>;

  watch<T>(name: string): IWatched<T> {
    return this.events.watch<T>(name);
  }

  get state(): FacilityState | null {
    return this.facility.value;
  }

  get stateChanged(): ISignal<IFacilityPanel, FacilityState | null> {
    return this.signal;
  }

  addSection(section: IFacilitySection): IDisposable {
    this.placeholders.get(section.id)?.dispose();
    const added = this.insert(section);
    this.explain();
    return added;
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

  private insert(section: IFacilitySection, ...classes: string[]): IDisposable {
    const frame = new PanelWithToolbar();
    ['casita-Section', ...classes].forEach(one => frame.addClass(one));
    frame.title.label = section.title;
    if (section.toolbar) {
      frame.toolbar.addItem('section', section.toolbar);
    }
    frame.addWidget(section.widget);
    const shown: IShown = { ...section, frame };
    const index = position(this.sections, section);
    this.sections.splice(index, 0, shown);
    this.insertWidget(index, frame);
    (this.content as AccordionPanel).expand(index);
    return new DisposableDelegate(() => {
      this.sections.splice(this.sections.indexOf(shown), 1);
      frame.dispose();
      this.setSummary(section.id, null);
    });
  }

  /** Put a line in the place of what can't be used, and back. */
  private explain(): void {
    const backends = this.state?.backends ?? [];
    this.placeholders.forEach(one => one.dispose());
    this.placeholders.clear();
    for (const shown of this.sections) {
      const why = explanation(shown.id, backends);
      shown.widget.setHidden(why !== null);
      shown.toolbar?.setHidden(why !== null);
      shown.frame.toggleClass('casita-mod-explained', why !== null);
      shown.line?.dispose();
      delete shown.line;
      if (why) {
        shown.line = this.line(why);
        shown.frame.insertWidget(0, shown.line);
      }
    }
    for (const why of unexplained(backends, this.sections)) {
      const section = { id: why.name, title: why.title, widget: this.line(why) };
      this.placeholders.set(why.name, this.insert(section, 'casita-mod-explained'));
    }
    this.content.fit();
  }

  private line(why: BackendState): View {
    return new View(this.trans, <Message kind="warning" message={why.reason} hint={why.remedy} />);
  }

  private explained: string | undefined;
  protected onActivateRequest(): void {
    this.node.focus();
  }

  private readonly events: Events;
  private readonly sections: IShown[] = [];
  private readonly placeholders = new Map<string, IDisposable>();
  private readonly summaries = new Observable<ReadonlyMap<string, string>>(new Map());
  private readonly signal = new Signal<IFacilityPanel, FacilityState | null>(this);
}
