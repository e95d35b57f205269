import { Dialog } from "../controls/dialog.tsx";
import { useMessages } from "../messages/use-messages.ts";

/** The keys of the lab page. */
export function KeysDialog({ onClose }: { onClose: () => void }) {
  const { messages } = useMessages();
  const { keys } = messages;
  const rows: [string[], string][] = [
    [["F6"], keys.nextRegion],
    [["Shift", "F6"], keys.previousRegion],
    [["Ctrl", "F6"], keys.sendF6],
    [["←", "→"], keys.tabs],
    [["Delete"], keys.closeTab],
    [["←", "→", "↑", "↓"], keys.separator],
    [["Ctrl", "S"], keys.save],
    [["Ctrl", "Shift", "C"], keys.copy],
    [["Ctrl", "Shift", "V"], keys.paste],
    [["Ctrl", "Shift", "F"], keys.find],
  ];
  return (
    <Dialog title={keys.title} onClose={onClose}>
      {(close) => (
        <>
          <dl className="keys">
            {rows.map(([names, meaning]) => (
              <div key={meaning}>
                <dt>
                  {names.map((name) => (
                    <kbd key={name}>{name}</kbd>
                  ))}
                </dt>
                <dd>{meaning}</dd>
              </div>
            ))}
          </dl>
          <div className="button-row">
            <button type="button" className="button" onClick={close}>
              {messages.close}
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}
