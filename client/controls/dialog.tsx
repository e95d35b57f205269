import { type ReactNode, useId, useRef } from "react";

interface DialogProps {
  title: string;
  /** Called once, however it was closed. */
  onClose(): void;
  children: (close: () => void) => ReactNode;
}

/** A modal dialog, open as long as it is rendered. The browser keeps the focus inside and gives it back after. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const titleId = useId();
  const element = useRef<HTMLDialogElement>(null);
  return (
    <dialog
      className="dialog"
      aria-labelledby={titleId}
      ref={(dialog) => {
        element.current = dialog;
        if (dialog && !dialog.open) dialog.showModal();
      }}
      onClose={onClose}
    >
      <h2 id={titleId}>{title}</h2>
      {children(() => element.current?.close())}
    </dialog>
  );
}
