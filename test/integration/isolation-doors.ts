import { beforeAll, describe, expect, it } from "vitest";
import type { Attempts } from "./isolation-attempts.ts";

/**
 * Ports of the node, tried without credentials and with the learner's.
 * @param attempts gives those of the file, which exist once its tests begin.
 */
export function describeDoors(attempts: () => Attempts): void {
  describe("by the doors of the node that need no credentials", () => {
    let { learner, admin, may, node } = {} as Attempts;
    beforeAll(() => {
      ({ learner, admin, may, node } = attempts());
    });
    const http = async (url: string, more = "") =>
      (await learner(`curl -sk --max-time 5 -o /dev/null -w '%{http_code}' ${more} ${url}`)).said.trim();

    it("of the API server", async () => {
      expect(await http(`https://${node}:6443/livez`)).toBe("200");
      for (const path of ["/api", "/version", "/apis", "/api/v1/nodes", "/metrics", "/openapi/v2"])
        expect(await http(`https://${node}:6443${path}`), path).toBe("401");
    });

    it("of the kubelet", async () => {
      expect(await http(`https://${node}:10250/healthz`)).toMatch(/401/);
      expect(await http(`https://${node}:10250/pods`)).toMatch(/401/);
      expect(await http(`http://${node}:10255/pods`)).toMatch(/000/);
      // With the learner's own certificate the kubelet asks the API server whether he may: he may not.
      await may(
        learner,
        "for key in client-certificate-data client-key-data; do " +
          'sed -n "s/^ *$key: //p" ~/.kube/config | base64 -d > /tmp/$key; done',
      );
      const own = "--cert /tmp/client-certificate-data --key /tmp/client-key-data";
      expect(await http(`https://${node}:6443/api/v1/pods`, own)).toBe("200");
      expect(await http(`https://${node}:10250/pods`, own)).toBe("403");
      expect(await http(`https://${node}:10250/run/default/mine/main?cmd=id`, `-X POST ${own}`)).toBe("403");
    });

    it("of etcd and the rest of the control plane", async () => {
      const health = "https://127.0.0.1:2379/health";
      const certificates = "/etc/kubernetes/pki/etcd/healthcheck-client";
      expect(
        (await admin(`curl -sk --cert ${certificates}.crt --key ${certificates}.key ${health}`)).said,
      ).toContain("true");
      expect(await http(`https://${node}:2379/health`)).toMatch(/000/);
      expect(
        await http(
          `https://${node}:2379/health`,
          "--cert /tmp/client-certificate-data --key /tmp/client-key-data",
        ),
      ).toMatch(/000/);
      for (const port of [2381, 10249, 10257, 10259]) {
        expect(
          (
            await admin(
              `curl -sk -o /dev/null http://127.0.0.1:${port}/ || curl -sk -o /dev/null https://127.0.0.1:${port}/`,
            )
          ).isDone,
          `${port} answers on the node`,
        ).toBe(true);
        expect(await http(`http://${node}:${port}/`), `${port}`).toMatch(/000/);
        expect(await http(`https://${node}:${port}/`), `${port}`).toMatch(/000/);
      }
    });
  });
}
