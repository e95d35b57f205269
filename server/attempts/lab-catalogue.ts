import type { Placement } from "../../sandboxes/cluster/cluster.ts";
import { LabError } from "../../sandboxes/errors.ts";
import type { Lab, Localized } from "../labs/lab.ts";
import type { LabSummary, Language } from "../protocol/views.ts";

/** What sandboxes here can do. */
export interface Offer {
  placement: Placement;
  nodes: number;
  enforcesNetworkPolicy: boolean;
}

/** The labs of this installation, and which of them can be taken here. */
export class LabCatalogue {
  readonly #labs: readonly Lab[];
  readonly #offer: Offer;

  constructor(labs: readonly Lab[], offer: Offer) {
    this.#labs = labs;
    this.#offer = offer;
  }

  find(id: string): Lab | undefined {
    return this.#labs.find((lab) => lab.id === id);
  }

  /** @throws LabError `not_found` */
  get(id: string): Lab {
    const lab = this.find(id);
    if (!lab) throw new LabError("not_found", `there is no lab \`${id}\``);
    return lab;
  }

  /** @throws LabError `not_found`, or `not_supported` where it can't be taken here */
  offered(id: string): Lab {
    const lab = this.get(id);
    const reason = whyNot(lab, this.#offer);
    if (reason) throw new LabError("not_supported", `lab \`${id}\` can't be taken here: ${reason.en}`);
    return lab;
  }

  summaries(language: Language): LabSummary[] {
    return this.#labs.map((lab) => {
      const reason = whyNot(lab, this.#offer);
      return {
        id: lab.id,
        title: lab.title[language],
        summary: lab.summary[language],
        minutes: lab.minutes,
        tasks: lab.tasks.length,
        ...(reason ? { notOfferedBecause: reason[language] } : {}),
      };
    });
  }
}

function whyNot({ needs }: Lab, offer: Offer): Localized | undefined {
  if (needs.nodes > offer.nodes)
    return {
      en: `it needs clusters of ${needs.nodes} nodes, here they have ${offer.nodes} (setting \`nodes\`)`,
      zh: `需要 ${needs.nodes} 个节点的集群，这里只有 ${offer.nodes} 个（设置项 \`nodes\`）`,
    };
  if (needs.networkPolicy && !offer.enforcesNetworkPolicy)
    return { en: "network policies are not enforced here", zh: "这里的集群不执行网络策略" };
  if (needs.placement && needs.placement !== offer.placement)
    return {
      en: `it needs the cluster's nodes ${needs.placement === "nested" ? "inside" : "beside"} the VM`,
      zh: needs.placement === "nested" ? "需要把集群节点放在虚拟机内" : "需要把集群节点放在虚拟机旁",
    };
  return undefined;
}
