import { type CSSProperties, useState } from "react";
import { Link } from "react-router";
import type { AttemptView } from "../../server/protocol/views.ts";
import { Notice } from "../controls/notice.tsx";
import { Separator } from "../controls/separator.tsx";
import type { Messages } from "../messages/en.ts";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";
import type { AttemptActions } from "./attempt-actions.ts";
import { BringUp, BringUpStrip, QueueNotice } from "./bring-up.tsx";
import { Dock, type DockView } from "./dock.tsx";
import { SandboxNotices } from "./sandbox-notices.tsx";
import type { TerminalHandles } from "./terminal-handles.ts";
import { WorkArea } from "./work-area.tsx";
import type { Workbench, WorkbenchChange } from "./workbench-state.ts";

interface WorkspaceProps {
  attempt: AttemptView;
  receivedAt: number;
  actions: AttemptActions;
  isReadOnly: boolean;
  workbench: Workbench;
  handles: TerminalHandles;
  onChange(change: WorkbenchChange): void;
  terminalsId: string;
  dockId: string;
}

/** The sandbox's side of the lab page: what brings it up, its terminals, its panel. */
export function Workspace(props: WorkspaceProps) {
  const { messages } = useMessages();
  const { attempt, actions, isReadOnly, workbench, handles, onChange } = props;
  const [dockView, setDockView] = useState<DockView | undefined>(undefined);
  const [dockShare, setDockShare] = useState(58);
  const stage = stageOf(attempt);
  const steps = attempt.sandbox?.steps ?? [];
  return (
    <div className="workspace">
      <SandboxNotices attempt={attempt} actions={actions} isReadOnly={isReadOnly} />
      {stage === "queued" ? <QueueNotice attempt={attempt} /> : null}
      {stage === "bring-up" ? (
        <BringUp steps={steps} title={bringUpTitle(attempt, messages)} receivedAt={props.receivedAt} />
      ) : null}
      {stage === "ended" ? (
        <div className="stage">
          <Notice
            tone="idle"
            icon="square-off"
            title={messages.attempt.ended}
            role="status"
            action={
              <Link className="button" to={pages.home}>
                {messages.failure.home}
              </Link>
            }
          >
            <p>{messages.attempt.endedHelp}</p>
          </Notice>
        </div>
      ) : null}
      {stage === "terminals" ? (
        <>
          {attempt.sandbox?.phase === "creating" ? (
            <BringUpStrip steps={steps} receivedAt={props.receivedAt} />
          ) : null}
          <div className="work-and-dock" style={{ "--dock-at": `${dockShare}%` } as CSSProperties}>
            <section
              className="terminals"
              id={props.terminalsId}
              tabIndex={-1}
              aria-label={messages.attempt.terminals}
            >
              <WorkArea
                attempt={attempt}
                workbench={workbench}
                handles={handles}
                isReadOnly={isReadOnly}
                onChange={onChange}
              />
            </section>
            {dockView === undefined ? null : (
              <Separator
                label={messages.attempt.dockHeight}
                orientation="horizontal"
                value={dockShare}
                min={15}
                max={85}
                controls={props.terminalsId}
                onChange={setDockShare}
              />
            )}
            <section
              className="dock-region"
              id={props.dockId}
              tabIndex={-1}
              aria-label={messages.attempt.sandbox}
              data-open={dockView !== undefined}
            >
              <Dock
                attempt={attempt}
                actions={actions}
                isReadOnly={isReadOnly}
                view={dockView}
                onView={setDockView}
                onEdit={(place, path) => onChange({ type: "edit", place, path, side: workbench.side })}
              />
            </section>
          </div>
        </>
      ) : null}
    </div>
  );
}

type Stage = "queued" | "bring-up" | "terminals" | "nothing" | "ended";

/** Terminals stand there from the moment the VM is there; before that there is nothing to type into. */
function stageOf(attempt: AttemptView): Stage {
  if (attempt.state === "ended") return "ended";
  if (attempt.state === "queued") return "queued";
  if (attempt.state === "resetting" || !attempt.sandbox) return "bring-up";
  if (attempt.sandbox.machine || attempt.sandbox.cluster) return "terminals";
  return attempt.sandbox.phase === "failed" && attempt.sandbox.steps.length === 0 ? "nothing" : "bring-up";
}

function bringUpTitle(attempt: AttemptView, messages: Messages): string {
  if (attempt.state === "resetting") return messages.attempt.resetting;
  return attempt.sandbox?.phase === "failed" ? messages.sandbox.failedTitle : messages.step.title;
}
