import type { AttemptView, SandboxView } from "../../server/protocol/views.ts";
import { useServerNow } from "../clock.ts";
import { Icon, type IconName } from "../controls/icon.tsx";
import { Notice } from "../controls/notice.tsx";
import { Status, type Tone } from "../controls/status.tsx";
import { Words } from "../controls/words.tsx";
import { useMessages } from "../messages/use-messages.ts";

type Step = SandboxView["steps"][number];

const tones: Record<Step["state"], Tone> = { started: "busy", progress: "busy", done: "ok", failed: "bad" };
const icons: Record<Step["state"], IconName | undefined> = {
  started: undefined,
  progress: undefined,
  done: "check",
  failed: "octagon",
};
/** Below this share an estimate would be a guess. */
const ESTIMATE_FROM = 0.15;

/** Place in the queue while the host has no room. */
export function QueueNotice({ attempt }: { attempt: AttemptView }) {
  const { messages } = useMessages();
  return (
    <div className="stage">
      <Notice tone="busy" icon="clock" title={messages.attempt.queuedTitle} role="status">
        {attempt.queuePosition === undefined ? null : (
          <p className="queue-position">{messages.attempt.queuePosition(attempt.queuePosition)}</p>
        )}
        <p>{messages.attempt.queuedHelp}</p>
      </Notice>
    </div>
  );
}

/** The steps of a bring-up with their times. `receivedAt`: when the view came, so that times go on by themselves. */
export function BringUp({ steps, title, receivedAt }: { steps: Step[]; title: string; receivedAt: number }) {
  const { messages } = useMessages();
  return (
    <section className="stage" aria-labelledby="bring-up-title">
      <div className="panel bring-up">
        <h2 id="bring-up-title">{title}</h2>
        {steps.length === 0 ? <Status tone="busy">{messages.step.waiting}</Status> : null}
        <StepRows steps={steps} receivedAt={receivedAt} />
      </div>
    </section>
  );
}

/** The same as one line above the terminals, for when a part can be used already. */
export function BringUpStrip({ steps, receivedAt }: { steps: Step[]; receivedAt: number }) {
  const { messages } = useMessages();
  const done = steps.filter((step) => step.state === "done").length;
  return (
    <details className="bring-up-strip">
      <summary>
        <Status tone="busy">{messages.step.title}</Status>
        <span className="muted small numeric">{messages.step.summary(done, steps.length)}</span>
        <span className="details-word small">{messages.step.details}</span>
      </summary>
      <StepRows steps={steps} receivedAt={receivedAt} />
    </details>
  );
}

function StepRows({ steps, receivedAt }: { steps: Step[]; receivedAt: number }) {
  const sinceMs = Math.max(0, useServerNow() - receivedAt);
  return (
    <ol className="steps">
      {steps.map((step) => (
        <StepRow key={step.name} step={step} sinceMs={sinceMs} />
      ))}
    </ol>
  );
}

function StepRow({ step, sinceMs }: { step: Step; sinceMs: number }) {
  const { messages, format } = useMessages();
  const isRunning = step.state === "started" || step.state === "progress";
  const elapsedMs = step.elapsedMs + (isRunning ? sinceMs : 0);
  const names: Partial<Record<string, string>> = messages.step.names;
  // What else is told is the guest's or a command's own words.
  const phases: Partial<Record<string, string>> = messages.step.phases;
  const { fraction } = step;
  const leftMs =
    isRunning && fraction !== undefined && fraction >= ESTIMATE_FROM
      ? Math.max(0, step.elapsedMs / fraction - elapsedMs)
      : undefined;
  return (
    <li className="step" data-state={step.state} data-tone={tones[step.state]}>
      <Icon name={icons[step.state] ?? "arc"} isTurning={isRunning} />
      <span className="step-name">
        {names[step.name] ?? step.name}
        <span className="visually-hidden">, {messages.step.states[step.state]}</span>
      </span>
      <span className="step-time numeric">
        {isRunning ? format.duration(elapsedMs) : format.took(elapsedMs)}
        {leftMs === undefined ? null : (
          <span className="muted">, {messages.step.remaining(format.duration(leftMs))}</span>
        )}
      </span>
      {isRunning && fraction !== undefined ? (
        <div
          className="meter"
          role="progressbar"
          aria-label={names[step.name] ?? step.name}
          aria-valuenow={Math.round(fraction * 100)}
          aria-valuemin={0}
          aria-valuemax={100}
        >
          <span style={{ width: `${fraction * 100}%` }} />
        </div>
      ) : null}
      {step.message && step.state !== "done" ? (
        <p className="step-message small muted" lang={phases[step.message] ? undefined : "en"}>
          <Words text={phases[step.message] ?? step.message} />
        </p>
      ) : null}
    </li>
  );
}
