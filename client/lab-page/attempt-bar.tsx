import { type RefObject, useId, useRef } from "react";
import type { AttemptView } from "../../server/protocol/views.ts";
import { Icon } from "../controls/icon.tsx";
import { Status } from "../controls/status.tsx";
import { useMessages } from "../messages/use-messages.ts";
import { type AttemptActions, useDangerousActions } from "./attempt-actions.ts";
import { RemainingTime } from "./remaining-time.tsx";
import { phaseTone } from "./sandbox-state.ts";

interface AttemptBarProps {
  attempt: AttemptView;
  actions: AttemptActions;
  /** The instructor may extend and end an attempt; everything else is the learner's. */
  isReadOnly: boolean;
  onShowKeys(): void;
}

/** The bar of the lab page: which lab, how the sandbox is, how long it lasts, what ends it. */
export function AttemptBar({ attempt, actions, isReadOnly, onShowKeys }: AttemptBarProps) {
  const { messages } = useMessages();
  return (
    <>
      <h1 className="bar-title">
        {isReadOnly ? messages.attempt.of(attempt.labTitle, attempt.learner) : attempt.labTitle}
      </h1>
      <SandboxState attempt={attempt} />
      <span className="bar-space" />
      {attempt.state === "ended" ? null : <RemainingTime attempt={attempt} extend={actions.extend} />}
      <LabMenu attempt={attempt} actions={actions} isReadOnly={isReadOnly} onShowKeys={onShowKeys} />
    </>
  );
}

function SandboxState({ attempt }: { attempt: AttemptView }) {
  const { messages } = useMessages();
  if (attempt.state === "ended")
    return (
      <Status tone="idle" icon="square-off">
        {messages.room.states.ended}
      </Status>
    );
  if (attempt.state === "queued")
    return (
      <Status tone="busy" icon="clock">
        {messages.room.states.queued}
      </Status>
    );
  if (attempt.state === "resetting") return <Status tone="busy">{messages.room.states.resetting}</Status>;
  const phase = attempt.sandbox?.phase ?? "creating";
  return <Status tone={phaseTone[phase]}>{messages.sandbox.phases[phase]}</Status>;
}

function LabMenu({ attempt, actions, isReadOnly, onShowKeys }: AttemptBarProps) {
  const { messages } = useMessages();
  const dangerous = useDangerousActions(actions);
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const isOver = attempt.state === "ended";

  return (
    <>
      <button type="button" className="button quiet" popoverTarget={id}>
        {messages.attempt.actions}
        <Icon name="chevron-down" />
      </button>
      <div id={id} ref={menu} popover="auto" className="menu lab-menu">
        {isReadOnly || isOver ? null : (
          <button
            type="button"
            className="menu-item"
            disabled={attempt.state !== "running" || actions.reset.isPending}
            onClick={() => {
              hide(menu);
              dangerous.reset();
            }}
          >
            <Icon name="reset" />
            {messages.attempt.reset}
          </button>
        )}
        {isOver ? null : (
          <button
            type="button"
            className="menu-item risky"
            disabled={actions.end.isPending}
            onClick={() => {
              hide(menu);
              dangerous.end();
            }}
          >
            <Icon name="close" />
            {messages.attempt.end}
          </button>
        )}
        <button
          type="button"
          className="menu-item"
          onClick={() => {
            hide(menu);
            onShowKeys();
          }}
        >
          <Icon name="keyboard" />
          {messages.attempt.keyboard}
        </button>
      </div>
    </>
  );
}

function hide(menu: RefObject<HTMLDivElement | null>): void {
  menu.current?.hidePopover();
}
