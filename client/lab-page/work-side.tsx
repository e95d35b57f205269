import { useId } from "react";
import { Icon } from "../controls/icon.tsx";
import { TabList } from "../controls/tabs.tsx";
import { useMessages } from "../messages/use-messages.ts";
import type { Side, Workbench, WorkbenchChange, WorkTab } from "./workbench-state.ts";

/** Prefix of the ids of a workbench's tabs; a page has one workbench. */
export const WORK_TABS = "work";

/** What stands on a tab. */
export function useTabLabel(): (tab: WorkTab) => string {
  const { messages } = useMessages();
  return (tab) => {
    if (tab.kind === "terminal")
      return messages.terminal.tab(messages.terminal.roles[tab.role], Number(tab.name));
    const file = tab.path.slice(tab.path.lastIndexOf("/") + 1);
    return file || messages.editor.tab;
  };
}

interface WorkSideProps {
  side: Side;
  workbench: Workbench;
  dirty: ReadonlySet<string>;
  isReadOnly: boolean;
  onChange(change: WorkbenchChange): void;
  /** Asks first where there is something to lose. */
  onClose(tab: WorkTab): void;
}

/** The tabs of one side with what opens, divides and closes. */
export function WorkSide({ side, workbench, dirty, isReadOnly, onChange, onClose }: WorkSideProps) {
  const { messages } = useMessages();
  const labelOf = useTabLabel();
  const menuId = useId();
  const { isSplit } = workbench;
  const tabs = workbench.tabs.filter((tab) => tab.side === side);
  const active = tabs.find((tab) => tab.id === workbench.active[side]);
  const label = !isSplit
    ? messages.terminal.tabs
    : side === "left"
      ? messages.terminal.leftTabs
      : messages.terminal.rightTabs;
  const open = (change: WorkbenchChange) => {
    document.getElementById(menuId)?.hidePopover();
    onChange(change);
  };
  const other: Side = side === "left" ? "right" : "left";
  const moveWord = side === "left" ? messages.terminal.moveRight : messages.terminal.moveLeft;
  return (
    <div className="work-bar" data-side={side}>
      <TabList
        label={label}
        idPrefix={WORK_TABS}
        active={active?.id}
        tabs={tabs.map((tab) => ({
          id: tab.id,
          label: labelOf(tab),
          description: tab.kind === "terminal" ? messages.terminal.roleNames[tab.role] : tab.path,
          isClosable: tabs.length > 1 || isSplit,
          mark: dirty.has(tab.id) ? messages.editor.unsaved : undefined,
        }))}
        onSelect={(id) => onChange({ type: "show", id })}
        onClose={(id) => {
          const tab = tabs.find((each) => each.id === id);
          if (tab) onClose(tab);
        }}
        closeLabel={messages.terminal.closeTab}
      />
      <div className="work-tools">
        {isReadOnly ? null : (
          <>
            <button
              type="button"
              className="button quiet icon-only small"
              popoverTarget={menuId}
              aria-label={messages.terminal.add}
              title={messages.terminal.add}
              style={{ anchorName: `--add-${side}` } as React.CSSProperties}
            >
              <Icon name="plus" />
            </button>
            <div
              id={menuId}
              popover="auto"
              className="menu add-menu"
              style={{ positionAnchor: `--add-${side}` } as React.CSSProperties}
            >
              <button
                type="button"
                className="menu-item"
                onClick={() => open({ type: "open", role: "vm", side })}
              >
                {messages.terminal.addVm}
              </button>
              <button
                type="button"
                className="menu-item"
                onClick={() => open({ type: "open", role: "cluster", side })}
              >
                {messages.terminal.addCluster}
              </button>
              <button
                type="button"
                className="menu-item"
                onClick={() => open({ type: "edit", place: "vm", path: "", side })}
              >
                {messages.terminal.addEditor}
              </button>
            </div>
          </>
        )}
        {isSplit && active ? (
          <button
            type="button"
            className="button quiet icon-only small"
            aria-label={moveWord}
            title={moveWord}
            onClick={() => onChange({ type: "move", id: active.id, side: other })}
          >
            <Icon name={side === "left" ? "arrow-right" : "arrow-left"} />
          </button>
        ) : null}
        {isSplit && side === "left" ? null : (
          <button
            type="button"
            className="button quiet icon-only small"
            aria-label={isSplit ? messages.terminal.unsplit : messages.terminal.split}
            title={isSplit ? messages.terminal.unsplit : messages.terminal.split}
            onClick={() => onChange({ type: isSplit ? "unsplit" : "split" })}
          >
            <Icon name={isSplit ? "single" : "split"} />
          </button>
        )}
      </div>
    </div>
  );
}
