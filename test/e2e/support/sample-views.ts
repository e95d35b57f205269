import type {
  AttemptView,
  LabSummary,
  Language,
  RoomView,
  SandboxView,
  SessionView,
  TaskView,
  TextBlock,
} from "../../../server/protocol/views.ts";

/** Views as the server gives them, for pages in states that are hard to bring about for real. */
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const ahead = (ms: number) => new Date(Date.now() + ms).toISOString();

export const learner: SessionView = {
  person: { id: "p1", name: "Ada Wirth", role: "learner" },
  csrfToken: "csrf-of-the-session",
  languages: ["en", "zh"],
};
export const instructor: SessionView = {
  person: { id: "p0", name: "Instructor", role: "instructor" },
  csrfToken: "csrf-of-the-session",
  languages: ["en", "zh"],
};
export const nobody: SessionView = { person: null, csrfToken: "csrf-of-nobody", languages: ["en", "zh"] };

const words = {
  en: {
    lab: "First crossing",
    summary:
      "Inventory runs on a VM under systemd. Repair it there, then run its API on Kubernetes while the database stays where it is.",
    other: "Nodes under maintenance",
    otherSummary: "Drain a node, patch it, bring it back, and keep the service answering all the while.",
    third: "Walls between pods",
    thirdSummary: "Who may talk to whom: NetworkPolicy for people who know nftables.",
    because: "Network policies are not enforced here: the node image of this host has no enforcer.",
    titles: [
      "Find and restart the failed service",
      "Make it start at boot",
      "Grow the data file system that is full",
      "Open the port in the firewall",
      "Run the API as a Deployment",
      "Expose it with a Service",
      "Give it its settings by ConfigMap and Secret",
      "Scale it and survive the deletion of a Pod",
    ],
  },
  zh: {
    lab: "初次跨越",
    summary:
      "Inventory 在虚拟机上由 systemd 运行。先在虚拟机上修复它，再把它的 API 运行到 Kubernetes 上，数据库留在原处。",
    other: "节点维护",
    otherSummary: "排空节点、打补丁、恢复节点，期间服务始终可用。",
    third: "Pod 之间的隔离",
    thirdSummary: "谁可以访问谁：面向熟悉 nftables 的人的 NetworkPolicy。",
    because: "此主机的节点镜像不含策略执行组件，网络策略不会生效。",
    titles: [
      "找到并重启失败的服务",
      "设置为开机自启动",
      "扩容已满的数据文件系统",
      "在防火墙中开放端口",
      "以 Deployment 运行 API",
      "通过 Service 暴露 API",
      "通过 ConfigMap 和 Secret 提供配置",
      "扩容，并在删除 Pod 时保持可用",
    ],
  },
} satisfies Record<Language, unknown>;

const ids = ["service", "boot", "disk", "firewall", "deployment", "expose", "settings", "scale"];

export function labs(language: Language): LabSummary[] {
  const text = words[language];
  return [
    { id: "first-crossing", title: text.lab, summary: text.summary, minutes: 90, tasks: 8 },
    { id: "maintenance", title: text.other, summary: text.otherSummary, minutes: 45, tasks: 5 },
    {
      id: "walls",
      title: text.third,
      summary: text.thirdSummary,
      minutes: 60,
      tasks: 6,
      notOfferedBecause: text.because,
    },
  ];
}

/** Tasks of which the first `passed` are passed and the next is open. */
export function tasks(passed: number, language: Language = "en"): TaskView[] {
  return words[language].titles.map((title, index) => ({
    id: ids[index] ?? "",
    title,
    world: index < 4 ? "vm" : index === 6 ? "both" : "cluster",
    points: index === 7 ? 20 : 10,
    state: index < passed ? "passed" : index === passed ? "open" : "locked",
    ...(index < passed ? { passedAt: ago((passed - index) * 7 * MINUTE_MS) } : {}),
    hintsShown: [],
    hintsTotal: 3,
  }));
}

const failedVerdict: NonNullable<TaskView["verdict"]> = {
  state: "failed",
  conditions: [
    { state: "passed", label: "The exports are still in `/srv/inventory`" },
    {
      state: "failed",
      label: "The file system on `/srv/inventory` has room",
      expected: "at least 1 GiB, a fifth of it free",
      found: "488 MiB, 100 % used",
      hint: "The volume group has space left; volume and file system must both grow.",
    },
  ],
  checkedAt: ago(4_000),
  tookMs: 312,
};

/** Of tasks of which two are passed, the one of the disk has failed and shows a hint. */
export const failedAtDisk = tasks(2).map((task) =>
  task.id === "disk"
    ? { ...task, verdict: failedVerdict, hintsShown: ["<p>Look at what <code>df -h</code> says.</p>"] }
    : task,
);

export const erroredVerdict: NonNullable<TaskView["verdict"]> = {
  state: "errored",
  conditions: [
    {
      state: "errored",
      label: "The unit inventory-api is active",
      reason: "the VM did not answer within 5 s; it may be powered off",
    },
  ],
  checkedAt: ago(9_000),
  tookMs: 5_004,
};

export const readySandbox: SandboxView = {
  id: "7f3a",
  phase: "ready",
  placement: "beside",
  steps: [],
  machine: {
    power: "on",
    accelerator: "tcg",
    hardware: { cpus: 2, memoryMib: 1536, dataDiskGib: 4 },
    labStart: "done",
  },
  cluster: {
    phase: "ready",
    nodes: [
      { name: "fb-7f3a-control-plane", ready: true },
      { name: "fb-7f3a-worker", ready: true },
    ],
    enforcesNetworkPolicy: false,
    labStart: "done",
  },
};

export const creatingSandbox: SandboxView = {
  id: "7f3a",
  phase: "creating",
  placement: "beside",
  steps: [
    { name: "create network", state: "done", elapsedMs: 340 },
    { name: "start VM", state: "done", elapsedMs: 2_180 },
    { name: "boot guest", state: "progress", elapsedMs: 14_400, fraction: 0.55 },
    { name: "create cluster", state: "started", elapsedMs: 14_400, message: "starting control-plane" },
  ],
};

export const degradedSandbox: SandboxView = {
  ...readySandbox,
  phase: "degraded",
  cluster: {
    phase: "broken",
    trouble: {
      code: "nodes_stopped",
      values: ["`fb-7f3a-worker`"],
      reason: "node `fb-7f3a-worker` stopped",
      remedy: "start what has stopped",
    },
    nodes: [
      { name: "fb-7f3a-control-plane", ready: true },
      { name: "fb-7f3a-worker", ready: false },
    ],
    enforcesNetworkPolicy: false,
    labStart: "done",
  },
};

export const failedSandbox: SandboxView = {
  id: "7f3a",
  phase: "failed",
  placement: "beside",
  steps: [],
  failure: {
    code: "cluster_failed",
    message: "could not create cluster `fb-7f3a`: no space left on device",
    hint: "free disk space on the lab host, then repair",
  },
};

export function attempt(change: Partial<AttemptView> = {}, language: Language = "en"): AttemptView {
  return {
    version: { server: "first", count: 1 },
    id: "a1",
    labId: "first-crossing",
    labTitle: words[language].lab,
    learner: "Ada Wirth",
    startedAt: ago(19 * MINUTE_MS),
    endsAt: ahead(3 * HOUR_MS + 41 * MINUTE_MS),
    extensionsLeft: 4,
    extensionMinutes: 60,
    state: "running",
    sandbox: readySandbox,
    tasks: tasks(2, language),
    webServices: [
      { name: language === "zh" ? "Inventory（虚拟机）" : "Inventory on the VM", world: "vm", port: 80 },
      {
        name: language === "zh" ? "Inventory API（集群）" : "Inventory API on the cluster",
        world: "cluster",
        port: 30080,
      },
    ],
    ...change,
  };
}

export function blocks(language: Language): TextBlock[] {
  const isChinese = language === "zh";
  return [
    {
      kind: "html",
      html: isChinese
        ? "<h2>仓库系统 Inventory</h2><p>Inventory 由三层组成：Web 前端、API 和 PostgreSQL，均在虚拟机上由 <code>systemd</code> 运行。今天早上它停止了响应。</p>"
        : "<h2>Inventory, the warehouse's system</h2><p>Inventory has three tiers: a web front, an API and PostgreSQL, all on the VM under <code>systemd</code>. This morning it stopped answering. Have a look at what has failed.</p>",
    },
    {
      kind: "code",
      code: "systemctl --failed\njournalctl -u inventory-api -n 20 --no-pager\n",
      language: "sh",
      run: "vm",
    },
    { kind: "task", taskId: "service" },
    { kind: "task", taskId: "boot" },
    {
      kind: "html",
      html: isChinese
        ? "<h2>磁盘已满</h2><p>数据所在的逻辑卷位于 <code>/dev/vdb</code>。先看卷组还有多少空间：</p>"
        : "<h2>The disk is full</h2><p>The data lives on a logical volume of <code>/dev/vdb</code>. First see what the volume group has left:</p><ul><li><code>vgs</code> shows free extents,</li><li><code>lvextend -r</code> grows volume and file system in one go.</li></ul>",
    },
    { kind: "code", code: "sudo vgs\ndf -h /srv/inventory\n", language: "sh", run: "vm" },
    { kind: "task", taskId: "disk" },
    { kind: "task", taskId: "firewall" },
    {
      kind: "html",
      html: isChinese
        ? "<h2>跨到 Kubernetes</h2><p>用同一个镜像以 Deployment 运行 API。</p>"
        : "<h2>Across to Kubernetes</h2><p>Run the same API as a Deployment, from the image that is on every node.</p>",
    },
    {
      kind: "code",
      code: "kubectl create deployment inventory-api --image=footbridge/inventory-api:1 --replicas=1\n",
      language: "sh",
      run: "cluster",
    },
    {
      kind: "code",
      code: "apiVersion: v1\nkind: Service\nmetadata:\n  name: inventory-api\nspec:\n  type: NodePort\n  selector:\n    app: inventory-api\n  ports:\n    - port: 8080\n      nodePort: 30080\n",
      language: "yaml",
    },
    ...ids.slice(4).map((taskId) => ({ kind: "task" as const, taskId })),
  ];
}

const people: [string, number, Partial<AttemptView>, number][] = [
  ["Ada Wirth", 2, {}, 20_000],
  ["Bruno Keller", 5, {}, 3 * MINUTE_MS],
  ["Chen Wei", 8, {}, 11 * MINUTE_MS],
  ["Dagmar Öztürk", 1, { sandbox: degradedSandbox }, 42_000],
  ["Emeka Obi", 0, { sandbox: creatingSandbox }, 5_000],
  ["Fatima El-Sayed", 4, { endsAt: ahead(12 * MINUTE_MS) }, 27 * MINUTE_MS],
  ["Grzegorz Brzęczyszczykiewicz", 3, {}, 90_000],
  ["Hana Novák", 0, { state: "queued", queuePosition: 1 }, 65_000],
  ["Ivo Marić", 8, { state: "ended" }, 2 * HOUR_MS],
];

export function room(language: Language = "en"): RoomView {
  return {
    version: { server: "first", count: 1 },
    joinCode: "birch-harbour-42",
    joinUrl: "http://lab.example.org:8080/join#code=birch-harbour-42",
    capacity: {
      memoryMib: { total: 65_536, reserved: 34_816, free: 29_900 },
      cpus: { total: 16, reserved: 42 },
      room: 4,
    },
    rows: people.map(([name, passed, change, idleMs], index) => {
      const { sandbox, ...rest } = attempt(
        { id: `a${index + 1}`, learner: name, tasks: tasks(passed, language), ...change },
        language,
      );
      const hasSandbox = rest.state === "running";
      return {
        attempt: { ...rest, ...(hasSandbox && sandbox ? { sandbox } : {}) },
        lastActivityAt: ago(idleMs),
      };
    }),
  };
}
