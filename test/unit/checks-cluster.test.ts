import { expect, test } from "vitest";
import type { CheckOf } from "../../server/checks/check.ts";
import { judgeRollout } from "../../server/checks/cluster/rollout.ts";
import { endpointsFault, serviceAddress } from "../../server/checks/cluster/service.ts";
import { judgeSettings } from "../../server/checks/cluster/settings.ts";
import {
  judgePodAnswers,
  judgePortReachable,
  judgeServiceAnswers,
} from "../../server/checks/probes/judge-probes.ts";
import type { Outcome } from "../../server/checks/words.ts";
import { deployment, endpointSlice, Objects, pod, replicaSet, service } from "../support/cluster-objects.ts";

const NOW = new Date("2026-11-23T14:00:05Z");
const found = (outcome: Outcome | undefined) =>
  outcome?.state === "failed" ? outcome.found.en : outcome?.state;

const rollout: CheckOf<"rollout"> = {
  kind: "rollout",
  namespace: "inventory",
  deployment: "inventory-api",
  image: "inventory-api:1.0",
  replicas: 1,
  readinessProbe: false,
};
const judge = (objects: Objects, check = rollout) => judgeRollout(check, objects, NOW).map(found);
const rolledOut = () =>
  new Objects()
    .put("Deployment", deployment({}))
    .put("ReplicaSet", replicaSet("one", "1"))
    .put("Pod", pod("a", "one"));

test("a rollout that is over", () => {
  expect(judge(rolledOut())).toEqual(["passed", "passed"]);
  const full = deployment({ container: { image: "docker.io/library/inventory-api:1.0" } });
  expect(judge(rolledOut().put("Deployment", full))).toEqual(["passed", "passed"]);
});

test("nothing, a bare Pod, another name, another namespace", () => {
  expect(judge(new Objects())).toEqual(["there is no Deployment in that namespace"]);
  const bare = pod("alone", "x");
  delete bare.metadata?.ownerReferences;
  expect(judge(new Objects().put("Pod", bare))[0]).toContain("a bare Pod, `alone`: nobody replaces it");
  const other = deployment({});
  if (other.metadata) other.metadata.name = "inventory";
  expect(judge(new Objects().put("Deployment", other))[0]).toBe("in that namespace there is `inventory`");
  const elsewhere = deployment({});
  if (elsewhere.metadata) elsewhere.metadata.namespace = "default";
  expect(judge(new Objects().put("Deployment", elsewhere))[0]).toBe(
    "there is no Deployment in that namespace",
  );
});

test("another image", () => {
  const latest = deployment({ container: { image: "inventory-api" } });
  expect(judge(rolledOut().put("Deployment", latest))[0]).toBe("the image is `inventory-api`");
});

test("a change that the controller has not seen does not count yet", () => {
  const changed = deployment({ generation: 2, observed: 1 });
  expect(judge(rolledOut().put("Deployment", changed))[1]).toContain("has not been taken up yet");
});

test("Pods on their way out, and those of an older version, don't count", () => {
  const leaving = rolledOut().put("Pod", pod("a", "one", { terminating: true }));
  expect(judge(leaving)[1]).toBe("0 of 1 Pods ready");
  const second = rolledOut()
    .put("Deployment", deployment({ revision: "2" }))
    .put("ReplicaSet", replicaSet("two", "2"));
  expect(judge(second)[1]).toBe("0 of 1 Pods ready");
  expect(judge(second.put("Pod", pod("b", "two")))[1]).toBe("1 Pod of an older version still runs");
  expect(judge(second.put("Pod", pod("a", "one", { terminating: true })))[1]).toBe("passed");
});

test("enough replicas", () => {
  const three = { ...rollout, replicas: 3 };
  expect(judge(rolledOut(), three)).toEqual(["passed", "1 asked for", "passed"]);
  const scaled = rolledOut().put("Deployment", deployment({ replicas: 3 }));
  expect(judge(scaled, three)).toEqual(["passed", "passed", "1 of 3 Pods ready"]);
});

test("a probe that says when a container is ready", () => {
  const asked = { ...rollout, readinessProbe: true };
  expect(judge(rolledOut(), asked)[1]).toBe(
    "nothing asks the container `inventory-api`: started is taken for ready",
  );
  const probe = { readinessProbe: { httpGet: { path: "/healthz", port: 8080 } } };
  expect(judge(rolledOut().put("Deployment", deployment({ container: probe })), asked)[1]).toBe("passed");
});

test("Ready for a moment after a crash is not up", () => {
  const status = (finishedAt: string) => ({
    containerStatuses: [
      {
        name: "c",
        image: "i",
        imageID: "i",
        ready: true,
        restartCount: 1,
        lastState: { terminated: { exitCode: 1, finishedAt: finishedAt as unknown as Date } },
      },
    ],
  });
  const crashed = rolledOut().put("Pod", pod("a", "one", { status: status("2026-11-23T14:00:00Z") }));
  expect(judge(crashed)[1]).toContain("was restarted a moment ago");
  const longAgo = rolledOut().put("Pod", pod("a", "one", { status: status("2026-11-23T13:00:00Z") }));
  expect(judge(longAgo)[1]).toBe("passed");
});

const container = { name: "c", image: "i", imageID: "", ready: false, restartCount: 0 };
test.each([
  [
    { state: { waiting: { reason: "ErrImagePull", message: 'failed to pull "inventory-api:2.0"\nmore' } } },
    'Pod `a` is `ErrImagePull`: failed to pull "inventory-api:2.0"',
  ],
  [
    { state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: { exitCode: 1 } } },
    "`CrashLoopBackOff`: its container ended with 1",
  ],
  [{ state: { running: {} } }, "Pod `a` runs, but is not ready"],
  [{ state: { waiting: { reason: "ContainerCreating" } } }, "Pod `a` is starting"],
])("why a Pod is not ready: %o", (state, words) => {
  const status = { containerStatuses: [{ ...container, ...state }] };
  expect(judge(rolledOut().put("Pod", pod("a", "one", { ready: false, status })))[1]).toContain(words);
});

test("Pods that nobody may make", () => {
  const message = 'pods "inventory-api-x" is forbidden: violates PodSecurity "baseline:latest": privileged';
  const refused = { replicas: 0, conditions: [{ type: "ReplicaFailure", status: "True", message }] };
  const objects = new Objects()
    .put("Deployment", deployment({}))
    .put("ReplicaSet", replicaSet("one", "1", refused));
  expect(judge(objects)[1]).toBe(`0 of 1 Pods ready; they are refused: ${message}`);
});

const target = { namespace: "inventory", service: "inventory-api", port: 80 };

test("where a Service answers", () => {
  const fault = (objects: Objects) => {
    const address = serviceAddress(objects, target);
    return "fault" in address ? address.fault.en : address.host;
  };
  expect(fault(new Objects())).toBe("there is no Service in namespace `inventory`");
  expect(fault(new Objects().put("Service", service()))).toBe("10.96.10.20");
  expect(fault(new Objects().put("Service", service({ clusterIP: "None" })))).toContain("headless");
  expect(fault(new Objects().put("Service", service({ ports: [{ port: 8080 }] })))).toBe(
    "it listens on `8080/TCP`",
  );
});

test("a Service leads to all ready Pods and to no others", () => {
  const fault = (slices: Parameters<typeof endpointSlice>[0], change = {}) => {
    const objects = rolledOut().put("EndpointSlice", endpointSlice(slices));
    return endpointsFault(objects, service(change), deployment({}))?.en;
  };
  const [a, b] = [pod("a", "one"), pod("b", "other")];
  expect(fault([a])).toBeUndefined();
  expect(fault([], { selector: { app: "inventory" } })).toBe("its selector `app=inventory` matches no Pod");
  expect(fault([], { selector: undefined })).toContain("no selector");
  expect(fault([])).toBe("it has no endpoints yet");
  expect(fault([pod("a", "one", { ready: false })])).toBe(
    "`app=inventory-api` selects 1 Pod, none of them ready",
  );
  expect(fault([a, b])).toBe("it also leads elsewhere: `b`");
  expect(fault([b])).toBe("it leaves out ready Pods: `a`");
});

const settings: CheckOf<"settings"> = {
  kind: "settings",
  namespace: "inventory",
  deployment: "inventory-api",
  fromConfigMap: ["WAREHOUSE_NAME"],
  fromSecret: ["DATABASE_PASSWORD"],
};
const withEnvironment = (part: Parameters<typeof deployment>[0]["container"]) =>
  new Objects()
    .put("Deployment", deployment({ container: part ?? {} }))
    .put("ConfigMap", {
      metadata: { name: "plain", namespace: "inventory" },
      data: { WAREHOUSE_NAME: "North" },
    })
    .put("Secret", {
      metadata: { name: "hidden", namespace: "inventory" },
      data: { DATABASE_PASSWORD: Buffer.from("x").toString("base64") },
    });
const settingsFound = (part: Parameters<typeof deployment>[0]["container"]) =>
  judgeSettings(settings, withEnvironment(part)).map(found);

test("settings by envFrom and by valueFrom are the same", () => {
  const all = { envFrom: [{ configMapRef: { name: "plain" } }, { secretRef: { name: "hidden" } }] };
  expect(settingsFound(all)).toEqual(["passed", "passed"]);
  const each = {
    env: [
      { name: "WAREHOUSE_NAME", valueFrom: { configMapKeyRef: { name: "plain", key: "WAREHOUSE_NAME" } } },
      {
        name: "DATABASE_PASSWORD",
        valueFrom: { secretKeyRef: { name: "hidden", key: "DATABASE_PASSWORD" } },
      },
    ],
  };
  expect(settingsFound(each)).toEqual(["passed", "passed"]);
});

test("settings from elsewhere", () => {
  const literal = [
    { name: "WAREHOUSE_NAME", value: "North" },
    { name: "DATABASE_PASSWORD", value: "x" },
  ];
  expect(settingsFound({ env: literal })).toEqual([
    "`WAREHOUSE_NAME` is written into the Deployment itself",
    "`DATABASE_PASSWORD` is written into the Deployment itself",
  ]);
  // What stands in `env` wins over `envFrom`.
  const both = { env: literal, envFrom: [{ configMapRef: { name: "plain" } }] };
  expect(settingsFound(both)[0]).toContain("written into the Deployment itself");
  expect(settingsFound({})[0]).toContain("the container has no `WAREHOUSE_NAME`");
  const missing = [
    { name: "WAREHOUSE_NAME", valueFrom: { configMapKeyRef: { name: "plain", key: "NAME" } } },
  ];
  expect(settingsFound({ env: missing })[0]).toBe("ConfigMap `plain` has no key `NAME`");
  const swapped = [
    { name: "DATABASE_PASSWORD", valueFrom: { configMapKeyRef: { name: "plain", key: "WAREHOUSE_NAME" } } },
  ];
  expect(settingsFound({ env: swapped })[1]).toBe("it comes from the ConfigMap `plain`");
});

test("a shut port is told from a VM that is out of reach", () => {
  const check: CheckOf<"port_reachable"> = { kind: "port_reachable", port: 5432, control: 22 };
  expect(found(judgePortReachable(check, "open", "open"))).toBe("passed");
  expect(found(judgePortReachable(check, "silent", "open"))).toContain("vanish without an answer");
  expect(found(judgePortReachable(check, "refused", "open"))).toContain(
    "nothing listens there, or a rule rejects",
  );
  expect(found(judgePortReachable(check, "silent", "silent"))).toContain("the VM is out of reach");
});

test("who answered counts, not that something did", () => {
  const pods: CheckOf<"pod_http"> = {
    kind: "pod_http",
    namespace: "inventory",
    deployment: "inventory-api",
    port: 8080,
    path: "/whoami",
    whoField: "hostname",
  };
  const answer = (who: string) => ({ status: 200, body: JSON.stringify({ hostname: who }), ms: 3 });
  expect(found(judgePodAnswers(pods, [{ pod: pod("a", "one"), answer: answer("a") }]))).toBe("passed");
  expect(found(judgePodAnswers(pods, [{ pod: pod("a", "one"), answer: answer("b") }]))).toContain(
    "does not name",
  );
  expect(found(judgePodAnswers(pods, []))).toBe("no Pod is ready");
  const refused = { error: "connection refused", ms: 1 };
  expect(found(judgePodAnswers(pods, [{ pod: pod("a", "one"), answer: refused }]))).toContain(
    "connection refused",
  );

  const through = {
    ...target,
    kind: "service",
    deployment: "inventory-api",
    path: "/whoami",
    whoField: "hostname",
  } as const;
  expect(found(judgeServiceAnswers(through, [answer("a")], [pod("a", "one")]))).toBe("passed");
  expect(found(judgeServiceAnswers(through, [answer("a"), answer("machine")], [pod("a", "one")]))).toBe(
    "`machine` answers, which is none of them",
  );
  const unwell = { status: 503, body: '{"error": "database at machine:5432: timeout expired"}', ms: 3000 };
  expect(found(judgeServiceAnswers(through, [unwell], [pod("a", "one")]))).toBe(
    "it answers with status 503: database at machine:5432: timeout expired",
  );
});
