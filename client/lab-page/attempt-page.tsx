import { type CSSProperties, useState } from "react";
import { Link, useLoaderData } from "react-router";
import type { AttemptView, SessionView, TextBlock } from "../../server/protocol/views.ts";
import { useLive, useLiveAttempt } from "../connection/live-view.ts";
import { Icon } from "../controls/icon.tsx";
import { FailureNotice } from "../controls/notice.tsx";
import { Segments } from "../controls/segments.tsx";
import { Separator } from "../controls/separator.tsx";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";
import { PageFrame } from "../shell/page-frame.tsx";
import { ReconnectBanner } from "../shell/reconnect-banner.tsx";
import { useAttemptActions } from "./attempt-actions.ts";
import { AttemptBar } from "./attempt-bar.tsx";
import { Instructions } from "./instructions.tsx";
import { KeysDialog } from "./keys-dialog.tsx";
import { AttemptNotices } from "./sandbox-notices.tsx";
import { TaskList } from "./task-list.tsx";
import { TerminalHandles } from "./terminal-handles.ts";
import { useMedia } from "./use-media.ts";
import { useRegionKeys } from "./use-region-keys.ts";
import { useWorkbench } from "./use-workbench.ts";
import { changeWorkbench, shownTabOfRole } from "./workbench-state.ts";
import { Workspace } from "./workspace.tsx";

export interface AttemptData {
  session: SessionView;
  attempt: AttemptView;
  blocks: TextBlock[];
}

/** From this width on, instructions stand beside the terminals. The style sheet has the same number. */
const BESIDE_QUERY = "(min-width: 1000px)";
/** Below this width there is room for one part at a time. */
const ONE_PART_QUERY = "(max-width: 599px)";

const INSTRUCTIONS_ID = "region-instructions";
const TERMINALS_ID = "region-terminals";
const DOCK_ID = "region-sandbox";

/** The lab page: instructions, terminals and the sandbox. */
export function AttemptPage() {
  const data = useLoaderData<AttemptData>();
  return <LiveAttempt key={data.attempt.id} {...data} />;
}

function LiveAttempt({ session, attempt: initial, blocks }: AttemptData) {
  const { messages } = useMessages();
  const live = useLiveAttempt(initial);
  const { view: attempt, receivedAt, error } = useLive(live);
  const actions = useAttemptActions(live);
  const isReadOnly = session.person?.role !== "learner" || attempt.state === "ended";
  const [handles] = useState(() => new TerminalHandles());
  const [workbench, change] = useWorkbench(attempt.id);
  const [areKeysShown, setKeysShown] = useState(false);
  const [share, setShare] = useState(36);
  const [part, setPart] = useState<"instructions" | "workspace">("instructions");
  const isBeside = useMedia(BESIDE_QUERY);
  const isOnePart = useMedia(ONE_PART_QUERY);
  const front = workbench.active[workbench.side];

  useRegionKeys(
    [
      { id: INSTRUCTIONS_ID },
      { id: TERMINALS_ID, focus: () => front !== undefined && handles.focus(front) },
      { id: DOCK_ID },
    ],
    (text) => {
      if (front !== undefined) handles.with(front, (terminal) => terminal.type(text));
    },
  );

  function run(role: "vm" | "cluster", code: string) {
    const next = shownTabOfRole(changeWorkbench(workbench, { type: "show role", role }), role);
    change({ type: "show role", role });
    setPart("workspace");
    if (next) handles.with(next.id, (terminal) => terminal.runCommand(code));
  }

  return (
    <PageFrame
      title={attempt.labTitle}
      person={session.person}
      layout="workspace"
      bar={
        <AttemptBar
          attempt={attempt}
          actions={actions}
          isReadOnly={session.person?.role !== "learner"}
          onShowKeys={() => setKeysShown(true)}
        />
      }
      banner={
        <>
          <ReconnectBanner />
          <AttemptNotices
            attempt={attempt}
            actions={actions}
            isReadOnly={session.person?.role !== "learner"}
          />
          {error ? <FailureNotice error={error} /> : null}
        </>
      }
    >
      <div className="lab" data-part={part} style={{ "--share": `${share}%` } as CSSProperties}>
        {isOnePart ? (
          <div className="part-switch">
            <Segments<"instructions" | "workspace">
              label={messages.attempt.views}
              isLabelHidden
              options={[
                { value: "instructions", label: messages.attempt.instructions },
                { value: "workspace", label: messages.attempt.terminals },
              ]}
              value={part}
              onChange={setPart}
            />
          </div>
        ) : null}
        <section
          className="lab-text"
          id={INSTRUCTIONS_ID}
          tabIndex={-1}
          aria-label={messages.attempt.instructions}
        >
          {session.person?.role === "instructor" ? (
            <Link className="back-link" to={pages.instructor}>
              <Icon name="arrow-left" />
              {messages.room.back}
            </Link>
          ) : null}
          <TaskList tasks={attempt.tasks} />
          <Instructions
            blocks={blocks}
            attempt={attempt}
            onRun={isReadOnly ? undefined : run}
            onRevealHint={isReadOnly ? undefined : actions.revealHint}
          />
        </section>
        {isOnePart ? null : (
          <Separator
            label={isBeside ? messages.attempt.paneWidth : messages.attempt.paneHeight}
            orientation={isBeside ? "vertical" : "horizontal"}
            value={share}
            min={20}
            max={70}
            controls={INSTRUCTIONS_ID}
            onChange={setShare}
          />
        )}
        <Workspace
          attempt={attempt}
          receivedAt={receivedAt}
          actions={actions}
          isReadOnly={isReadOnly}
          workbench={workbench}
          handles={handles}
          onChange={change}
          terminalsId={TERMINALS_ID}
          dockId={DOCK_ID}
        />
      </div>
      {areKeysShown ? <KeysDialog onClose={() => setKeysShown(false)} /> : null}
    </PageFrame>
  );
}
