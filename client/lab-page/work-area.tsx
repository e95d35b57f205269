import { type ReactNode, useEffect, useState } from "react";
import { flushSync } from "react-dom";
import type { AttemptView } from "../../server/protocol/views.ts";
import { useConfirm } from "../controls/confirm.tsx";
import { Separator } from "../controls/separator.tsx";
import { panelId, tabId } from "../controls/tabs.tsx";
import { useMessages } from "../messages/use-messages.ts";
import { Editor } from "./editor.tsx";
import type { TerminalHandles } from "./terminal-handles.ts";
import { TerminalPane } from "./terminal-pane.tsx";
import { WORK_TABS, WorkSide } from "./work-side.tsx";
import {
  changeWorkbench,
  type Side,
  type Workbench,
  type WorkbenchChange,
  type WorkTab,
} from "./workbench-state.ts";

interface WorkAreaProps {
  attempt: AttemptView;
  workbench: Workbench;
  handles: TerminalHandles;
  isReadOnly: boolean;
  onChange(change: WorkbenchChange): void;
}

const NARROWEST = 20;

/**
 * Terminals and editors, on one side or two. All panels are children of one grid, so that a terminal that moves to the
 * other side is moved and not made anew.
 */
export function WorkArea({ attempt, workbench, handles, isReadOnly, onChange }: WorkAreaProps) {
  const { messages } = useMessages();
  const confirm = useConfirm();
  const [share, setShare] = useState(50);
  const [dirty, setDirty] = useState<ReadonlySet<string>>(new Set());
  const sides: Side[] = workbench.isSplit ? ["left", "right"] : ["left"];

  function markDirty(id: string, isDirty: boolean) {
    setDirty((before) => {
      if (before.has(id) === isDirty) return before;
      const next = new Set(before);
      if (isDirty) next.add(id);
      else next.delete(id);
      return next;
    });
  }

  const isDirty = dirty.size > 0;
  useEffect(() => {
    if (!isDirty) return;
    // The browser asks, in its own words, before unsaved changes go with the page.
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [isDirty]);

  async function close(tab: WorkTab) {
    if (tab.kind === "editor" && dirty.has(tab.id)) {
      const isSure = await confirm({
        title: messages.editor.discardTitle,
        body: messages.editor.discardBody(tab.path),
        action: messages.editor.discardAction,
        isDangerous: true,
      });
      if (!isSure) return;
      markDirty(tab.id, false);
    }
    const change: WorkbenchChange = { type: "close", id: tab.id };
    // The focus was in what is gone; it goes on to the tab that shows instead.
    const next = changeWorkbench(workbench, change).active[tab.side];
    flushSync(() => onChange(change));
    if (next !== undefined) document.getElementById(tabId(WORK_TABS, next))?.focus();
  }

  function panelOf(tab: WorkTab): ReactNode {
    if (!workbench.shown.includes(tab.id)) return null;
    if (tab.kind === "editor")
      return (
        <Editor
          attemptId={attempt.id}
          place={tab.place}
          path={tab.path}
          onDirty={(isUnsaved) => markDirty(tab.id, isUnsaved)}
        />
      );
    return (
      <TerminalPane
        key={attempt.sandbox?.id}
        attempt={attempt}
        role={tab.role}
        name={tab.name}
        isReadOnly={isReadOnly}
        onHandle={(handle) => handles.set(tab.id, handle)}
      />
    );
  }

  // Bars and separator come before the panels: no Tab leads out of a terminal.
  const bars: ReactNode[] = [];
  const panels: ReactNode[] = [];
  for (const side of sides) {
    if (side === "right")
      bars.push(
        <Separator
          key="separator"
          label={messages.attempt.splitWidth}
          orientation="vertical"
          value={share}
          min={NARROWEST}
          max={100 - NARROWEST}
          controls="work-left"
          onChange={setShare}
        />,
      );
    bars.push(
      <WorkSide
        key={`bar-${side}`}
        side={side}
        workbench={workbench}
        dirty={dirty}
        isReadOnly={isReadOnly}
        onChange={onChange}
        onClose={(tab) => void close(tab)}
      />,
    );
    const tabs = workbench.tabs.filter((tab) => tab.side === side);
    for (const tab of tabs)
      panels.push(
        <div
          key={tab.id}
          className="work-panel"
          role="tabpanel"
          id={panelId(WORK_TABS, tab.id)}
          aria-labelledby={tabId(WORK_TABS, tab.id)}
          data-side={side}
          data-kind={tab.kind}
          hidden={workbench.active[side] !== tab.id}
        >
          {panelOf(tab)}
        </div>,
      );
    if (tabs.length === 0)
      panels.push(
        <p key={`empty-${side}`} className="work-panel terminal-wait muted" data-side={side}>
          {messages.terminal.empty}
        </p>,
      );
  }
  return (
    <div
      className="work-area"
      data-split={workbench.isSplit}
      style={{ "--share": `${share}%` } as React.CSSProperties}
    >
      {bars}
      {panels}
    </div>
  );
}
