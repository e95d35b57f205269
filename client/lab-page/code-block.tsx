import { CopyButton } from "../controls/copy-button.tsx";
import { Icon } from "../controls/icon.tsx";
import { useMessages } from "../messages/use-messages.ts";

/** Code of the instructions: run in its terminal with one click, or copied. */
export function CodeBlock({
  code,
  run,
  isReady,
  onRun,
}: {
  code: string;
  run: "vm" | "cluster" | undefined;
  /** Whether the terminal it runs in can be typed into. */
  isReady: boolean;
  /** Absent for who only looks on. */
  onRun: ((role: "vm" | "cluster", code: string) => void) | undefined;
}) {
  const { messages } = useMessages();
  return (
    <figure className="code-block" data-run={run}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <pre tabIndex={0}>
        <code>{code.replace(/\n$/, "")}</code>
      </pre>
      <div className="code-actions">
        {run && onRun ? (
          <button
            type="button"
            className="button small"
            disabled={!isReady}
            title={isReady ? messages.code.runHelp : messages.code.notReady[run]}
            onClick={() => onRun(run, code)}
          >
            <Icon name="run" />
            {messages.code.runIn[run]}
          </button>
        ) : null}
        <CopyButton text={code.replace(/\n$/, "")} className="button small quiet" />
      </div>
    </figure>
  );
}
