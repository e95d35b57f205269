import type { ReactNode } from "react";
import type { AttemptView } from "../../server/protocol/views.ts";
import { Icon } from "../controls/icon.tsx";
import { FailureNotice, Notice } from "../controls/notice.tsx";
import { Words } from "../controls/words.tsx";
import { asSentence, describeFailure } from "../failure.ts";
import { useMessages } from "../messages/use-messages.ts";
import { type AttemptActions, useDangerousActions } from "./attempt-actions.ts";
import { useTimeLeft, warningFor } from "./remaining-time.tsx";
import { describeTrouble } from "./trouble.ts";

interface NoticesProps {
  attempt: AttemptView;
  actions: AttemptActions;
  isReadOnly: boolean;
}

/** What is wrong with the sandbox, why, and the button that may mend it. */
export function SandboxNotices({ attempt, actions, isReadOnly }: NoticesProps) {
  const { messages } = useMessages();
  const { sandbox } = attempt;
  const isBad = attempt.state === "running" && (sandbox?.phase === "degraded" || sandbox?.phase === "failed");
  // Also while a repair asked for elsewhere, or earlier, goes on.
  const isRepairing = actions.repair.isPending || sandbox?.action === "repair";
  // What this page has asked for last says by itself how it failed, where it failed in time.
  const failure = actions.repair.error ?? (actions.power.error ? undefined : sandbox?.actionFailure);
  const dangerous = useDangerousActions(actions);
  const remedies = isReadOnly ? undefined : (
    <div className="button-row">
      <button type="button" className="button" disabled={isRepairing} onClick={() => actions.repair.run()}>
        <Icon name="wrench" />
        {isRepairing ? messages.sandbox.repairing : messages.sandbox.repair}
      </button>
      {sandbox?.phase === "failed" ? (
        <button type="button" className="button" onClick={dangerous.reset}>
          <Icon name="reset" />
          {messages.attempt.reset}
        </button>
      ) : null}
    </div>
  );
  return (
    <>
      {failure ? <FailureNotice error={failure} /> : null}
      {isBad && sandbox ? (
        <Notice
          tone="bad"
          role="alert"
          title={sandbox.phase === "failed" ? messages.sandbox.failedTitle : messages.sandbox.degradedTitle}
          action={remedies}
        >
          {reasonsOf(sandbox, messages)}
        </Notice>
      ) : null}
    </>
  );
}

function reasonsOf(
  { machine, cluster, failure }: NonNullable<AttemptView["sandbox"]>,
  messages: ReturnType<typeof useMessages>["messages"],
): ReactNode {
  const words = failure && describeFailure(failure, messages);
  const parts = [
    { part: messages.machine.title, trouble: machine?.trouble },
    { part: messages.cluster.title, trouble: cluster?.trouble },
  ];
  return (
    <>
      {words ? (
        <Reason
          part={messages.sandbox.id}
          own={words.title}
          reason={words.detail}
          remedy={words.hint}
          lang="en"
          remedyLang={words.isOwnHint ? undefined : "en"}
        />
      ) : null}
      {parts.map(({ part, trouble }) => {
        if (!trouble) return null;
        const { reason, remedy, lang } = describeTrouble(trouble, messages);
        return (
          <Reason key={part} part={part} reason={reason} remedy={remedy} lang={lang} remedyLang={lang} />
        );
      })}
    </>
  );
}

interface ReasonProps {
  part: string;
  /** What happened, in the reader's language. */
  own?: string;
  reason: string | undefined;
  remedy: string | undefined;
  lang: "en" | undefined;
  remedyLang: "en" | undefined;
}

function Reason({ part, own, reason, remedy, lang, remedyLang }: ReasonProps) {
  const { messages } = useMessages();
  return (
    <p>
      <strong>{part}:</strong> {own ? `${asSentence(own)} ` : null}
      {reason ? (
        <span lang={lang}>
          <Words text={reason} />
        </span>
      ) : null}
      {remedy ? (
        <span className="muted">
          {" "}
          {messages.sandbox.remedy}:{" "}
          <span lang={remedyLang}>
            <Words text={remedy} />
          </span>
        </span>
      ) : null}
    </p>
  );
}

/** What concerns the whole attempt: looking on, its end near or past, actions that failed. */
export function AttemptNotices({ attempt, actions, isReadOnly }: NoticesProps) {
  const { messages, format } = useMessages();
  const { leftMs, isSoon } = useTimeLeft(attempt);
  const isEnding = attempt.state === "running" && isSoon && leftMs > 0;
  const errors = [actions.extend.error, actions.reset.error, actions.end.error].filter(Boolean);
  return (
    <div className="page-notices">
      {isReadOnly ? (
        <Notice tone="idle" icon="info" title={messages.attempt.readOnly(attempt.learner)} />
      ) : null}
      {errors.map((error) => (
        <FailureNotice key={String(error)} error={error} />
      ))}
      {/* The bar counts down; what is announced must not. */}
      <div role="status">
        {isEnding && !isReadOnly ? (
          <Notice tone="warn" title={messages.attempt.endingSoon(format.duration(warningFor(leftMs)))} />
        ) : null}
      </div>
    </div>
  );
}
