import { useState } from "react";
import {
  changeWorkbench,
  loadWorkbench,
  saveWorkbench,
  type Workbench,
  type WorkbenchChange,
} from "./workbench-state.ts";

/** The workbench of an attempt, kept over reloads of the page. */
export function useWorkbench(attemptId: string): [Workbench, (change: WorkbenchChange) => void] {
  const [state, setState] = useState(() => loadWorkbench(attemptId));
  return [
    state,
    (change) =>
      setState((before) => {
        const next = changeWorkbench(before, change);
        saveWorkbench(attemptId, next);
        return next;
      }),
  ];
}
