import type { Condition, Verdict } from "../../server/protocol/views.ts";
import { Icon } from "../controls/icon.tsx";
import { Status, type Tone } from "../controls/status.tsx";
import { Words } from "../controls/words.tsx";
import { useMessages } from "../messages/use-messages.ts";

const tones: Record<Condition["state"], Tone> = { passed: "ok", failed: "warn", errored: "doubt" };

/** What the last check saw: each condition, and for those not met what was expected and what was found. */
export function VerdictDetails({ verdict }: { verdict: Verdict }) {
  const { messages, format } = useMessages();
  return (
    <div className="verdict">
      <ul className="conditions">
        {verdict.conditions.map((condition) => (
          <ConditionRow key={`${condition.label}/${condition.state}`} condition={condition} />
        ))}
      </ul>
      <p className="muted small numeric">
        {messages.task.checkedAt(format.clock(verdict.checkedAt), format.took(verdict.tookMs))}
      </p>
    </div>
  );
}

function ConditionRow({ condition }: { condition: Condition }) {
  const { messages } = useMessages();
  const words: Record<Condition["state"], string> = {
    passed: messages.task.passed,
    failed: messages.task.notYet,
    errored: messages.task.couldNotCheck,
  };
  return (
    <li className="condition" data-tone={tones[condition.state]}>
      <div className="condition-head">
        <span className="condition-label">
          <Words text={condition.label} />
        </span>
        <Status tone={tones[condition.state]}>{words[condition.state]}</Status>
      </div>
      {condition.state === "failed" ? (
        <dl className="findings">
          <dt>{messages.task.expected}</dt>
          <dd>
            <Words text={condition.expected} />
          </dd>
          <dt>{messages.task.found}</dt>
          <dd>
            <Words text={condition.found} />
          </dd>
        </dl>
      ) : null}
      {condition.state === "failed" && condition.hint ? (
        <p className="condition-hint small">
          <Icon name="info" />
          <span>
            <Words text={condition.hint} />
          </span>
        </p>
      ) : null}
      {condition.state === "errored" ? (
        <>
          <dl className="findings">
            <dt>{messages.task.reason}</dt>
            <dd>
              <Words text={condition.reason} />
            </dd>
          </dl>
          <p className="small muted">{messages.task.couldNotCheckHelp}</p>
        </>
      ) : null}
    </li>
  );
}
