import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poll } from "../poll.ts";
import { type Attempts, manifest, startAttempts } from "./isolation-attempts.ts";
import { CLUSTER_WIDE, CREATE, DRY, GREEDY_PODS, POLICIES } from "./isolation-cases.ts";
import { describeDoors } from "./isolation-doors.ts";

/**
 * Ways out of a cluster beside the VM, tried with what a learner has: his own shell and credentials. Beside each
 * refusal stands the same thing done by somebody who may, or something near it that the learner may do, so that a
 * refusal for another reason (a typing error, a missing image) shows.
 */
describe("breaking out of a cluster", () => {
  let attempts: Attempts;
  let { learner, admin, may, refused, pod } = {} as Attempts;
  let node: string;
  let image: string;

  beforeAll(async () => {
    attempts = await startAttempts();
    ({ learner, admin, may, refused, pod, node, image } = attempts);
  });
  afterAll(() => attempts?.[Symbol.asyncDispose]());

  describe("by a pod with more rights than a pod should have", () => {
    it.each(GREEDY_PODS)("asking for %s", async (_what, more, container) => {
      await may(learner, `${CREATE} ${DRY}`, pod("plain"));
      await may(admin, `${CREATE} ${DRY}`, pod("allowed", more, container, "kube-system"));
      await refused(`${CREATE} ${DRY}`, pod("greedy", more, container));
    });

    it("made by a controller, which has more rights than its maker", async () => {
      const template = JSON.parse(
        pod("unused", { volumes: [{ name: "disk", hostPath: { path: "/" } }] }),
      ).spec;
      const set = (name: string, spec: object) =>
        manifest({
          apiVersion: "apps/v1",
          kind: "ReplicaSet",
          metadata: { name },
          spec: {
            selector: { matchLabels: { app: name } },
            template: { metadata: { labels: { app: name } }, spec },
          },
        });
      await may(learner, CREATE, set("greedy", template));
      await may(learner, CREATE, set("modest", { ...template, volumes: [] }));
      await may(learner, "kubectl wait --for=jsonpath={.status.replicas}=1 rs/modest --timeout=60s");
      await poll(
        async () =>
          (await learner("kubectl get events --field-selector reason=FailedCreate")).said.includes(
            "violates PodSecurity",
          ),
        "the controller is refused",
        { timeoutMs: 60_000, pauseMs: 500 },
      );
      expect((await learner("kubectl get pods -l app=greedy -o name")).said.trim()).toBe("");
      await may(learner, "kubectl delete rs greedy modest");
    });

    it("by debugging the node", async () => {
      await may(
        admin,
        `kubectl run debugger --image=${image} ${DRY} -n kube-system --overrides='{"spec":{"hostPID":true}}'`,
      );
      await refused(`kubectl debug node/${node} --image=${image} --profile=general`);
      await refused(`kubectl debug node/${node} --image=${image} --profile=sysadmin`);
    });

    it("by a debugging container with more rights in a pod that runs", async () => {
      const patch = (name: string, more: object, target = "mine") =>
        `kubectl patch pod ${target} --subresource=ephemeralcontainers --type=strategic -p '${manifest({
          spec: { ephemeralContainers: [{ name, image, imagePullPolicy: "Never", ...more }] },
        })}'`;
      await may(learner, patch("modest", {}));
      await refused(patch("greedy", { securityContext: { privileged: true } }));
      await may(learner, CREATE, pod("own-users", { hostUsers: false }));
      await refused(patch("nosy", { securityContext: { procMount: "Unmasked" } }, "own-users"));
    });

    it("in a namespace whose pod security is lowered", async () => {
      const namespace = (name: string, labels: object) =>
        manifest({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
      const enforce = "pod-security.kubernetes.io/enforce";
      await may(learner, CREATE, namespace("raised", { [enforce]: "restricted" }));
      await refused(CREATE, namespace("lowered", { [enforce]: "privileged" }));
      await refused(CREATE, namespace("old", { [`${enforce}-version`]: "v1.20" }));
      await refused(`kubectl label namespace default ${enforce}=privileged`);
      await refused(`kubectl label namespace raised --overwrite ${enforce}=privileged`);
      await refused(
        `kubectl patch namespace default --type=merge -p '${manifest({ metadata: { labels: { [enforce]: "privileged" } } })}'`,
      );
      await may(admin, `kubectl label namespace default ${enforce}=privileged ${DRY}`);
      await may(learner, "kubectl label namespace default team=a");
      await may(learner, `kubectl label namespace raised ${enforce}-`);
    });
  });

  describe("through what belongs to the whole cluster", () => {
    it.each(CLUSTER_WIDE)("by %s", async (_what, line, object) => {
      const command = line.replace("NODE", node);
      const input = object && manifest(object);
      await may(admin, command, input);
      await refused(command, input);
    });

    it("by the node's address range", async () => {
      // Nobody may change it once it is set, so this has no one who may.
      const patch = `kubectl patch node ${node} -p '{"spec":{"providerID":"other"}}' ${DRY}`;
      await refused(patch, undefined, /spec\.providerID/);
      await may(learner, `kubectl label node ${node} team=a`);
    });

    it.each(POLICIES)("by %s", async (_what, command) => {
      await may(admin, command);
      await refused(command);
    });

    it("even with a role that would allow it", async () => {
      const bind = "clusterrolebinding test-all --clusterrole=cluster-admin --group=footbridge:learners";
      await may(admin, `kubectl create ${bind}`);
      try {
        await poll(
          async () => (await learner("kubectl auth can-i delete persistentvolumes")).isDone,
          "the role counts",
        );
        for (const [, line, object] of CLUSTER_WIDE)
          await refused(line.replace("NODE", node), object && manifest(object), /in this lab/);
      } finally {
        await may(admin, "kubectl delete clusterrolebinding test-all");
      }
    });

    it("by a certificate signed for somebody else", async () => {
      const openssl =
        "openssl req -new -newkey rsa:2048 -nodes -keyout /dev/null -subj /O=kubeadm:cluster-admins/CN=me";
      const request = (await may(learner, `${openssl} 2>/dev/null | base64 -w0`)).trim();
      const csr = manifest({
        apiVersion: "certificates.k8s.io/v1",
        kind: "CertificateSigningRequest",
        metadata: { name: "own" },
        spec: { request, signerName: "kubernetes.io/kube-apiserver-client", usages: ["client auth"] },
      });
      await refused(CREATE, csr);
      await may(admin, CREATE, csr);
      await refused("kubectl certificate approve own");
      await may(admin, "kubectl certificate approve own");
      await may(admin, "kubectl delete csr own");
    });

    it("by a bootstrap token", async () => {
      const withToken =
        "kubectl --kubeconfig /dev/null --server https://NODE:6443 --insecure-skip-tls-verify --token=abcdef.0123456789abcdef get nodes".replace(
          "NODE",
          node,
        );
      await refused(withToken, "", /Unauthorized|must be logged in/);
      const secret = manifest({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "bootstrap-token-abcdef", namespace: "kube-system" },
        type: "bootstrap.kubernetes.io/token",
        stringData: {
          "token-id": "abcdef",
          "token-secret": "0123456789abcdef",
          "usage-bootstrap-authentication": "true",
        },
      });
      await refused(CREATE, secret);
      await may(admin, CREATE, secret);
      await poll(
        async () => !/Unauthorized|must be logged in/.test((await learner(withToken)).said),
        "the token counts",
      );
      await may(admin, "kubectl -n kube-system delete secret bootstrap-token-abcdef");
    });
  });

  describe("by being somebody else", () => {
    it("by impersonation", async () => {
      for (const who of ["--as=system:admin --as-group=system:masters", "--as=system:kube-scheduler"]) {
        await may(admin, `kubectl get nodes ${who}`);
        await refused(`kubectl get nodes ${who}`);
      }
    });

    it("by granting more than he has", async () => {
      await may(learner, "kubectl create role pods --verb=get,list --resource=pods");
      await may(
        learner,
        "kubectl create rolebinding viewers --clusterrole=view --serviceaccount=default:default",
      );
      await refused("kubectl create role own --verb='*' --resource='*'");
      await refused("kubectl create role own --verb=impersonate --resource=serviceaccounts");
      await refused("kubectl create role own --verb=escalate --resource=roles");
      await refused("kubectl create rolebinding own --clusterrole=cluster-admin --user=learner");
      await refused("kubectl create rolebinding own --clusterrole=admin --user=learner -n kube-system");
      await may(admin, `kubectl create role own --verb='*' --resource='*' ${DRY}`);
    });

    it("by a ServiceAccount of his own, which the policies bind too", async () => {
      await may(learner, "kubectl create serviceaccount robot");
      await may(learner, "kubectl create role robot --verb=get,patch --resource=namespaces,nodes");
      await may(learner, "kubectl create rolebinding robot --role=robot --serviceaccount=default:robot");
      const token = (await may(learner, "kubectl create token robot")).trim();
      const robot = `kubectl --kubeconfig /dev/null --server https://${node}:6443 --insecure-skip-tls-verify --token=${token}`;
      const canI = `${robot} auth can-i patch namespaces/default`;
      await poll(async () => (await learner(canI)).isDone, "the role counts");
      await may(learner, `${robot} annotate namespace default touched=yes`);
      await refused(`${robot} label namespace default pod-security.kubernetes.io/enforce=privileged`);
      await refused(`${robot} patch node ${node} -p '{"spec":{"unschedulable":true}}'`);
    });
  });

  describe("through the cluster's own parts", () => {
    const systemPod = async (app: string) =>
      (await admin(`kubectl -n kube-system get pods -l ${app} -o name`)).said.trim().split("\n")[0] ?? "";

    it("by a shell, a port or a debugging container in them", async () => {
      const proxy = await systemPod("k8s-app=kube-proxy");
      await may(learner, "kubectl exec mine -- sh -c true");
      await may(admin, `kubectl -n kube-system exec ${proxy} -- iptables --version`);
      await refused(`kubectl -n kube-system exec ${proxy} -- iptables --version`);
      await refused(`kubectl -n kube-system attach ${proxy}`);
      await refused(`timeout 20 kubectl -n kube-system port-forward ${proxy} 10249:10249`);
      await refused(`kubectl -n kube-system debug ${proxy} --image=${image} --target=kube-proxy`);
    });

    it("by a pod beside them, where pod security does not hold", async () => {
      for (const namespace of ["kube-system", "local-path-storage"]) {
        const greedy = pod("greedy", { hostPID: true }, {}, namespace);
        await may(admin, `${CREATE} ${DRY}`, greedy);
        await refused(`${CREATE} ${DRY}`, greedy);
        await refused(`${CREATE} ${DRY}`, pod("modest", {}, {}, namespace));
      }
    });

    it("by a token of their ServiceAccounts", async () => {
      await may(learner, "kubectl create token default");
      const line = "kubectl -n kube-system create token node-controller";
      await may(admin, line);
      await refused(line);
      await refused("kubectl -n local-path-storage create token local-path-provisioner-service-account");
    });

    it("by changing or deleting them", async () => {
      const lines = [
        "kubectl -n kube-system delete configmap coredns",
        'kubectl -n kube-system patch daemonset kube-proxy -p \'{"spec":{"minReadySeconds":1}}\'',
        "kubectl -n kube-system scale deployment coredns --replicas=0",
        'kubectl -n local-path-storage patch configmap local-path-config -p \'{"data":{"setup":""}}\'',
        "kubectl -n kube-public create configmap own",
        "kubectl -n kube-node-lease delete lease --all",
      ];
      for (const line of lines) {
        await may(admin, `${line} ${DRY}`);
        await refused(`${line} ${DRY}`);
      }
    });

    it("by secrets that lie there", async () => {
      await may(learner, "kubectl create secret generic mine --from-literal=a=b");
      const found = await may(learner, "kubectl get secrets -A -o jsonpath='{.items[*].metadata.namespace}'");
      expect(new Set(found.trim().split(/\s+/))).toEqual(new Set(["default"]));
    });
  });

  describe("by capturing traffic", () => {
    it("with a Service's external addresses or its status", async () => {
      const service = (more: object) =>
        manifest({
          apiVersion: "v1",
          kind: "Service",
          metadata: { name: "catch" },
          spec: { ports: [{ port: 443 }], ...more },
        });
      await may(learner, CREATE, service({ type: "LoadBalancer" }));
      await refused(`${CREATE} ${DRY}`, service({ externalIPs: ["203.0.113.9"] }));
      await refused(
        `kubectl patch service catch ${DRY} --type=merge -p '{"spec":{"externalIPs":["203.0.113.9"]}}'`,
      );
      const status = `kubectl patch service catch ${DRY} --subresource=status --type=merge -p '{"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.9"}]}}}'`;
      await may(admin, status);
      await refused(status);
    });
  });

  describeDoors(() => attempts);
});
