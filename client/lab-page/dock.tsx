import { useId } from "react";
import type { AttemptView } from "../../server/protocol/views.ts";
import { Icon } from "../controls/icon.tsx";
import { Status } from "../controls/status.tsx";
import { useMessages } from "../messages/use-messages.ts";
import type { AttemptActions } from "./attempt-actions.ts";
import { ClusterPanel } from "./cluster-panel.tsx";
import { FilesPanel } from "./files-panel.tsx";
import { MachinePanel } from "./machine-panel.tsx";
import { clusterTone, machineTone } from "./sandbox-state.ts";
import { WebPanel } from "./web-panel.tsx";

/** What the sandbox panel can show. */
export type DockView = "machine" | "cluster" | "web" | "files";

interface DockProps {
  attempt: AttemptView;
  actions: AttemptActions;
  isReadOnly: boolean;
  /** What shows; nothing when the panel is folded. */
  view: DockView | undefined;
  onView(view: DockView | undefined): void;
  onEdit(place: "vm" | "cluster", path: string): void;
}

/** The strip under the terminals: states of VM and cluster always in sight, their panels one click away. */
export function Dock({ attempt, actions, isReadOnly, view, onView, onEdit }: DockProps) {
  const { messages } = useMessages();
  const bodyId = useId();
  const { machine, cluster } = attempt.sandbox ?? {};
  const views: { view: DockView; label: string; state?: React.ReactNode }[] = [
    {
      view: "machine",
      label: messages.machine.title,
      state: machine ? (
        <Status tone={machineTone[machine.power]}>{messages.machine.power[machine.power]}</Status>
      ) : (
        <Status tone="idle">{messages.cluster.phases.absent}</Status>
      ),
    },
    {
      view: "cluster",
      label: messages.cluster.title,
      state: cluster ? (
        <Status tone={clusterTone[cluster.phase]}>{messages.cluster.phases[cluster.phase]}</Status>
      ) : (
        <Status tone="idle">{messages.cluster.phases.absent}</Status>
      ),
    },
  ];
  // Services and files are the learner's; the server gives them to nobody else.
  if (!isReadOnly)
    views.push({ view: "web", label: messages.web.title }, { view: "files", label: messages.files.title });
  return (
    <div className="dock" data-open={view !== undefined}>
      <div className="dock-strip">
        {views.map((each) => (
          <button
            key={each.view}
            type="button"
            className="dock-button"
            aria-expanded={each.view === view}
            aria-controls={bodyId}
            onClick={() => onView(each.view === view ? undefined : each.view)}
          >
            <span className="dock-label">{each.label}</span>
            {each.state}
            {each.view === "machine" && machine?.pendingHardware ? (
              <span className="pending-mark" title={messages.machine.pendingMark}>
                <Icon name="clock" />
                <span className="visually-hidden">{messages.machine.pendingMark}</span>
              </span>
            ) : null}
            <Icon name={each.view === view ? "chevron-down" : "chevron-up"} />
          </button>
        ))}
      </div>
      <div className="dock-body" id={bodyId} hidden={view === undefined}>
        {view === "machine" ? (
          <MachinePanel
            machine={machine}
            underWay={attempt.sandbox?.action}
            actions={actions}
            isReadOnly={isReadOnly}
          />
        ) : null}
        {view === "cluster" && attempt.sandbox ? <ClusterPanel sandbox={attempt.sandbox} /> : null}
        {view === "web" ? <WebPanel attempt={attempt} /> : null}
        {view === "files" ? <FilesPanel attemptId={attempt.id} onEdit={onEdit} /> : null}
      </div>
    </div>
  );
}
