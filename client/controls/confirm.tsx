import { createContext, type ReactNode, use, useState } from "react";
import { useMessages } from "../messages/use-messages.ts";
import { Dialog } from "./dialog.tsx";

interface Question {
  title: string;
  body: string;
  /** The word on the button that goes ahead. */
  action: string;
  isDangerous?: boolean;
}

type Ask = (question: Question) => Promise<boolean>;

const ConfirmContext = createContext<Ask>(async () => false);

/** Asks before something that cannot be undone: true when the answer is to go ahead. */
export function useConfirm(): Ask {
  return use(ConfirmContext);
}

/** Holds the one question that is open. */
export function ConfirmProvider({ children }: { children: ReactNode }) {
  const { messages } = useMessages();
  const [asked, setAsked] = useState<{ question: Question; answer: (yes: boolean) => void } | undefined>();
  const [ask] = useState<Ask>(
    () => (question: Question) =>
      new Promise<boolean>((resolve) => {
        setAsked({ question, answer: resolve });
      }),
  );
  return (
    <ConfirmContext value={ask}>
      {children}
      {asked ? (
        <Dialog
          title={asked.question.title}
          onClose={() => {
            // Escape and Cancel come here; going ahead has answered before, and a promise settles once.
            asked.answer(false);
            setAsked(undefined);
          }}
        >
          {(close) => (
            <>
              <p>{asked.question.body}</p>
              <div className="button-row">
                <button type="button" className="button" onClick={close}>
                  {messages.cancel}
                </button>
                <button
                  type="button"
                  className={asked.question.isDangerous ? "button danger" : "button primary"}
                  onClick={() => {
                    asked.answer(true);
                    close();
                  }}
                >
                  {asked.question.action}
                </button>
              </div>
            </>
          )}
        </Dialog>
      ) : null}
    </ConfirmContext>
  );
}
