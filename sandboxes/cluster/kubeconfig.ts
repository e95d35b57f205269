import { parse, stringify } from "yaml";
import { z } from "zod";
import { LabError } from "../errors.ts";

const Kubeconfig = z.looseObject({
  clusters: z.array(z.looseObject({ cluster: z.looseObject({ server: z.url() }) })).length(1),
});

/** The API server's address in a kubeconfig of one cluster. */
export function serverOf(kubeconfig: string): URL {
  return new URL(parsed(kubeconfig).clusters[0]?.cluster.server ?? "");
}

/** The same kubeconfig for somebody who reaches the API server at another address. */
export function withServer(kubeconfig: string, server: string): string {
  const config = parsed(kubeconfig);
  for (const { cluster } of config.clusters) cluster.server = server;
  return stringify(config);
}

function parsed(kubeconfig: string): z.infer<typeof Kubeconfig> {
  const result = Kubeconfig.safeParse(parse(kubeconfig));
  // Not the parser's own words: they may quote a key.
  if (!result.success) throw new LabError("cluster_failed", "the cluster gave no usable kubeconfig");
  return result.data;
}
