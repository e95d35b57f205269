import type { V1Pod } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import type { CheckOf } from "../../server/checks/check.ts";
import { Survival } from "../../server/checks/cluster/survival.ts";
import type { FollowLine } from "../../server/checks/probes/prober.ts";
import { deployment, Objects, pod, replicaSet } from "../support/cluster-objects.ts";

const check: CheckOf<"survives_deletion"> = {
  kind: "survives_deletion",
  namespace: "inventory",
  deployment: "inventory-api",
  service: "inventory-api",
  port: 80,
  path: "/whoami",
  whoField: "hostname",
  replicas: 3,
};
const NOW = new Date("2026-11-23T14:00:00Z");
const good = (who = ["b"]): FollowLine => ({ waitingMs: 0, asked: 20, failures: [], who, unfair: 0 });

/** A Deployment with Pods a, b, c… and somebody who asks. */
function scene(replicas = 3) {
  const objects = new Objects()
    .put("Deployment", deployment({ replicas }))
    .put("ReplicaSet", replicaSet("one", "1"))
    .put("Pod", ...["a", "b", "c", "d"].slice(0, replicas).map((name) => pod(name, "one")));
  const survival = new Survival(check);
  let now = NOW.getTime();
  survival.onLine(good(), objects, NOW);
  const change = (object: V1Pod, before: V1Pod | undefined, isGone = false) =>
    survival.onChange({ kind: "Pod", namespace: "inventory", object, before, isGone }, objects);
  return {
    objects,
    survival,
    /** Asked for so many milliseconds since the last one. */
    line(line = good(), ms = 1_000) {
      now += ms;
      return survival.onLine(line, objects, new Date(now));
    },
    /** The API server's announcement that the Pod is going. */
    announce(name: string, set = "one") {
      const leaving = pod(name, set, { terminating: true });
      objects.put("Pod", leaving);
      return change(leaving, pod(name, set));
    },
    go(name: string, set = "one") {
      objects.remove("Pod", name);
      return change(pod(name, set, { terminating: true }), pod(name, set, { terminating: true }), true);
    },
    come: (name: string, ready = true) => objects.put("Pod", pod(name, "one", { ready })),
  };
}

test("a Pod is deleted and replaced while every request is answered", () => {
  const { survival, announce, go, come, line } = scene();
  expect(survival.result).toEqual({ kind: "none" });
  expect(announce("a")).toBe(true);
  expect(survival.result).toEqual({ kind: "running", pod: "a" });
  come("e", false);
  expect(line(good(["a", "b"]))).toBe(false);
  go("a");
  come("e");
  expect(line(good(["e"]))).toBe(false);
  expect(line()).toBe(true);
  expect(survival.result).toEqual({ kind: "survived", pod: "a", asked: 60 });
});

test("a request that fails in between is the result, until another Pod is deleted", () => {
  const { survival, announce, go, come, line } = scene();
  announce("a");
  line({ ...good(), failures: ["connection refused", "connection refused"] });
  go("a");
  come("e");
  line();
  line();
  expect(survival.result).toEqual({
    kind: "failed",
    pod: "a",
    asked: 60,
    failures: ["connection refused", "connection refused"],
  });
  announce("b");
  go("b");
  come("f");
  line();
  line();
  expect(survival.result.kind).toBe("survived");
});

test("a failure right after the new Pod is ready counts as well", () => {
  const { survival, announce, go, come, line } = scene();
  announce("a");
  go("a");
  come("e");
  line();
  line({ ...good(), failures: ["connection refused"] });
  expect(survival.result.kind).toBe("failed");
});

test("it is over as soon as the new Pod has answered and nobody waits who asked before", () => {
  const { survival, announce, go, come, line } = scene();
  announce("a");
  go("a");
  come("e");
  line(good(), 250);
  line({ ...good(), waitingMs: 400 }, 250);
  line({ ...good(["e"]), waitingMs: 650 }, 250);
  expect(survival.result.kind).toBe("running");
  line({ ...good(), waitingMs: 5 }, 250);
  expect(survival.result.kind).toBe("survived");
});

test("one answer of the new Pod is not the end: what it fails half a second later counts", () => {
  const { survival, announce, go, come, line } = scene();
  announce("a");
  go("a");
  come("e");
  line(good(["e"]), 250);
  line(good(["e"]), 250);
  expect(survival.result.kind).toBe("running");
  line({ ...good(["e"]), failures: ["connection refused"] }, 250);
  expect(survival.result.kind).toBe("failed");
});

test("a question from before that fails late counts, and so does one to a Pod that was ready too early", () => {
  for (const failure of ["no answer", "connection refused"]) {
    const { survival, announce, go, come, line } = scene();
    announce("a");
    go("a");
    come("e");
    line(good(), 250);
    line({ ...good(), waitingMs: 600 }, 250);
    line({ ...good(["e"]), failures: [failure] }, 250);
    expect(survival.result).toMatchObject({ kind: "failed", failures: [failure] });
  }
});

test("a forced deletion has no announcement and counts", () => {
  const { survival, objects, come, line } = scene();
  objects.remove("Pod", "a");
  const gone = pod("a", "one");
  survival.onChange(
    { kind: "Pod", namespace: "inventory", object: gone, before: gone, isGone: true },
    objects,
  );
  come("e");
  line();
  line();
  expect(survival.result.kind).toBe("survived");
});

test("too few replicas", () => {
  const { survival, announce } = scene(2);
  expect(announce("b")).toBe(false);
  expect(survival.result).toEqual({ kind: "too-few", pod: "b", replicas: 2 });
});

test("a Pod that was not ready, or is of an older version, proves nothing", () => {
  const { survival, objects } = scene();
  const unready = pod("a", "one", { ready: false });
  const leaving = pod("a", "one", { ready: false, terminating: true });
  survival.onChange(
    { kind: "Pod", namespace: "inventory", object: leaving, before: unready, isGone: false },
    objects,
  );
  const old = pod("z", "zero");
  const oldLeaving = pod("z", "zero", { terminating: true });
  survival.onChange(
    { kind: "Pod", namespace: "inventory", object: oldLeaving, before: old, isGone: false },
    objects,
  );
  expect(survival.result).toEqual({ kind: "none" });
});

test("scaling down is no loss, though Pods go", () => {
  const { survival, objects, announce, go, line } = scene(4);
  objects.put("Deployment", deployment({ replicas: 3, generation: 2 }));
  announce("d");
  go("d");
  line();
  line();
  line();
  expect(survival.result).toEqual({ kind: "none" });
});

test("a rollout in the middle makes it void", () => {
  const { survival, objects, announce, line } = scene();
  announce("a");
  objects.put("Deployment", deployment({ replicas: 3, generation: 2 }));
  line();
  expect(survival.result).toEqual({ kind: "none" });
});

test("nobody was asking, or asking broke off", () => {
  const before = scene();
  before.survival.onSilence();
  before.announce("a");
  expect(before.survival.result).toEqual({ kind: "unwatched", pod: "a" });
  const during = scene();
  during.announce("a");
  during.survival.onSilence();
  expect(during.survival.result).toEqual({ kind: "unwatched", pod: "a" });
});

test("a host too slow for its own control is not judged", () => {
  const { survival, announce, go, come, line } = scene();
  announce("a");
  go("a");
  come("e");
  line({ ...good([]), unfair: 9 });
  line({ ...good([]), failures: ["no answer"], unfair: 9 });
  expect(survival.result).toEqual({ kind: "unfair", pod: "a" });
});

test("scaling down tells nothing of too few", () => {
  const { survival, objects, announce } = scene(3);
  objects.put("Deployment", deployment({ replicas: 1, generation: 2 }));
  announce("a");
  announce("b");
  expect(survival.result).toEqual({ kind: "none" });
});

test("a Pod of the version before may still answer while it goes", () => {
  const { survival, objects, announce, go, come, line } = scene();
  objects.put("ReplicaSet", replicaSet("zero", "0")).put("Pod", pod("old", "zero", { terminating: true }));
  announce("a");
  go("a");
  come("e");
  line(good(["old"]));
  objects.remove("Pod", "old");
  line();
  expect(survival.result.kind).toBe("survived");
});

test("an answer from somebody else is none", () => {
  const { survival, announce, go, come, line } = scene();
  announce("a");
  go("a");
  come("e");
  line(good(["machine"]));
  line();
  expect(survival.result).toEqual({ kind: "stranger", pod: "a", who: "machine" });
});
