import type { KeyboardEvent } from "react";
import { Icon } from "./icon.tsx";

export interface Tab {
  id: string;
  label: string;
  /** More than the label, for the tooltip and screen readers. */
  description?: string;
  /** Shown as a dot, said in words: something about the tab that must not be missed. */
  mark?: string | undefined;
  isClosable?: boolean;
}

interface TabListProps {
  label: string;
  tabs: Tab[];
  active: string | undefined;
  /** Prefix of the ids of tabs and panels; unique in the page. */
  idPrefix: string;
  onSelect(id: string): void;
  onClose?: (id: string) => void;
  closeLabel?: (label: string) => string;
}

/** Id of the element a tab shows. */
export function panelId(idPrefix: string, tab: string): string {
  return `${idPrefix}-panel-${tab}`;
}

export function tabId(idPrefix: string, tab: string): string {
  return `${idPrefix}-tab-${tab}`;
}

/** Tabs as WAI-ARIA describes them: one in the tab order, arrows between them, Delete closes. */
export function TabList(props: TabListProps) {
  const { tabs, active, idPrefix } = props;

  function focusAndSelect(index: number) {
    const tab = tabs[(index + tabs.length) % tabs.length];
    if (!tab) return;
    props.onSelect(tab.id);
    document.getElementById(tabId(idPrefix, tab.id))?.focus();
  }

  function onKeyDown(event: KeyboardEvent, index: number, tab: Tab) {
    if (event.key === "Delete" && tab.isClosable) {
      event.preventDefault();
      props.onClose?.(tab.id);
      return;
    }
    const steps: Partial<Record<string, number>> = {
      ArrowLeft: index - 1,
      ArrowRight: index + 1,
      Home: 0,
      End: tabs.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    focusAndSelect(to);
  }

  return (
    <div className="tabs" role="tablist" aria-label={props.label}>
      {tabs.map((tab, index) => (
        <div key={tab.id} className="tab-slot" role="presentation" data-active={tab.id === active}>
          <button
            type="button"
            role="tab"
            className="tab"
            id={tabId(idPrefix, tab.id)}
            aria-selected={tab.id === active}
            aria-controls={panelId(idPrefix, tab.id)}
            tabIndex={tab.id === active ? 0 : -1}
            title={tab.description}
            onClick={() => props.onSelect(tab.id)}
            onKeyDown={(event) => onKeyDown(event, index, tab)}
          >
            {tab.label}
            {tab.mark ? (
              <span className="tab-mark" title={tab.mark}>
                <span className="visually-hidden">, {tab.mark}</span>
              </span>
            ) : null}
          </button>
          {tab.isClosable && props.onClose ? (
            // For the mouse alone: a tab list may hold nothing but tabs. The keyboard has Delete.
            <button
              type="button"
              className="tab-close"
              tabIndex={-1}
              aria-hidden="true"
              title={props.closeLabel?.(tab.label)}
              onClick={() => props.onClose?.(tab.id)}
            >
              <Icon name="close" />
            </button>
          ) : null}
        </div>
      ))}
    </div>
  );
}
