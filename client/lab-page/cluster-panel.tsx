import type { SandboxView } from "../../server/protocol/views.ts";
import { Notice } from "../controls/notice.tsx";
import { Status } from "../controls/status.tsx";
import { useMessages } from "../messages/use-messages.ts";
import { clusterTone } from "./sandbox-state.ts";
import { TroubleText } from "./trouble-text.tsx";

/** The cluster: state, nodes, where it runs, what it can't do here. */
export function ClusterPanel({ sandbox }: { sandbox: SandboxView }) {
  const { messages } = useMessages();
  const { cluster } = sandbox;
  if (!cluster) return <p className="muted">{messages.cluster.none}</p>;
  return (
    <div className="cluster-panel">
      <dl className="facts">
        <dt>{messages.cluster.state}</dt>
        <dd>
          <Status tone={clusterTone[cluster.phase]}>{messages.cluster.phases[cluster.phase]}</Status>
        </dd>
        <dt>{messages.sandbox.placement}</dt>
        <dd>{messages.sandbox.placements[sandbox.placement]}</dd>
        <dt>NetworkPolicy</dt>
        <dd>
          {cluster.enforcesNetworkPolicy ? messages.sandbox.networkPolicy : messages.sandbox.noNetworkPolicy}
        </dd>
      </dl>
      {cluster.nodes.length > 0 ? (
        <table className="data-table nodes">
          <caption className="visually-hidden">{messages.cluster.nodes}</caption>
          <thead>
            <tr>
              <th scope="col">{messages.cluster.node}</th>
              <th scope="col">{messages.cluster.state}</th>
            </tr>
          </thead>
          <tbody>
            {cluster.nodes.map((node) => (
              <tr key={node.name}>
                <td className="mono">{node.name}</td>
                <td>
                  <Status tone={node.ready ? "ok" : "warn"}>
                    {node.ready ? messages.cluster.nodeReady : messages.cluster.nodeNotReady}
                  </Status>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
      {cluster.trouble ? (
        <Notice tone="bad" title={messages.cluster.phases.broken}>
          <TroubleText trouble={cluster.trouble} />
        </Notice>
      ) : null}
    </div>
  );
}
