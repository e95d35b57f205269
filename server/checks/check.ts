import { z } from "zod";

const Port = z.int().min(1).max(65535);
/** A Kubernetes name: RFC 1123 label. */
const Name = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "must be a lower-case Kubernetes name");
const Unit = z
  .string()
  .regex(/^[\w@.-]+\.(service|socket|timer|mount|path)$/, "must be a unit with its suffix");
const AbsolutePath = z.string().regex(/^\/[\w./@%+-]*$/, "must be an absolute path of plain characters");
const HttpPath = z.string().regex(/^\/[\w./?&=%-]*$/, "must begin with `/`");
const InNamespace = { namespace: Name };

/** The unit runs, and has been running for `forMs`: a service that restarts every second does not. */
const UnitActive = z.strictObject({
  kind: z.literal("unit_active"),
  unit: Unit,
  forMs: z.int().min(0).max(60_000).default(1_000),
});

/** The unit starts at boot. */
const UnitEnabled = z.strictObject({ kind: z.literal("unit_enabled"), unit: Unit });

/** A file system on a logical volume has so much room in all and left, with what was in it still there. */
const FileSystem = z.strictObject({
  kind: z.literal("file_system"),
  path: AbsolutePath,
  volumeGroup: z.string().regex(/^[\w.+-]+$/),
  logicalVolume: z.string().regex(/^[\w.+-]+$/),
  minSizeMib: z.int().positive(),
  minFreeMib: z.int().positive(),
  /** Files and folders that must not be sacrificed for room. */
  keeps: z.array(z.strictObject({ path: AbsolutePath, minMib: z.number().nonnegative() })).default([]),
});

/** A TCP port of the VM answers in the pod network. `control` is one that must answer, or the VM is out of reach. */
const PortReachable = z.strictObject({
  kind: z.literal("port_reachable"),
  port: Port,
  control: Port,
});

/** What the firewall's file would do after a reboot, tried out beside the running one. */
const PortAfterBoot = z.strictObject({
  kind: z.literal("port_after_boot"),
  port: Port,
  /** A port that must go on answering: who opens everything or locks himself out has not solved it. */
  control: Port,
  /** A port that must stay shut: the firewall is still one. */
  shut: Port,
  config: AbsolutePath.default("/etc/nftables.conf"),
  unit: Unit.default("nftables.service"),
});

/** An HTTP answer of the VM, asked from outside of it. */
const MachineHttp = z.strictObject({
  kind: z.literal("machine_http"),
  port: Port,
  path: HttpPath,
  status: z.int().default(200),
});

/** All replicas of the current version are there and ready; what is on its way out does not count. */
const Rollout = z.strictObject({
  kind: z.literal("rollout"),
  ...InNamespace,
  deployment: Name,
  image: z.string().optional(),
  /** At least so many replicas. */
  replicas: z.int().min(1).default(1),
  /** Every container says by a probe when it is ready. */
  readinessProbe: z.boolean().default(false),
});

/** Every ready Pod of the Deployment answers by itself on this port, and says its own name. */
const PodHttp = z.strictObject({
  kind: z.literal("pod_http"),
  ...InNamespace,
  deployment: Name,
  port: Port,
  path: HttpPath,
  /** Field of the JSON answer with the name of the host that answered. */
  whoField: z.string().default("hostname"),
});

/** The Service leads to the Deployment's ready Pods, proven by who answers through it. */
const Service = z.strictObject({
  kind: z.literal("service"),
  ...InNamespace,
  service: Name,
  port: Port,
  deployment: Name,
  path: HttpPath,
  whoField: z.string().default("hostname"),
});

/** Environment of the Deployment's containers comes from where it should, `envFrom` and `valueFrom` alike. */
const Settings = z.strictObject({
  kind: z.literal("settings"),
  ...InNamespace,
  deployment: Name,
  fromConfigMap: z.array(z.string()).default([]),
  fromSecret: z.array(z.string()).default([]),
  /** Where the application shows what it got: field of its JSON answer by variable. */
  shown: z.strictObject({ port: Port, path: HttpPath, fields: z.record(z.string(), z.string()) }).optional(),
});

/** The Service answers with the rows that the VM has, one written for the purpose among them. */
const SameData = z.strictObject({
  kind: z.literal("same_data"),
  ...InNamespace,
  service: Name,
  servicePort: Port,
  path: HttpPath,
  /** Run as root in the VM with the nonce as `$1`; both are quick and safe to repeat. */
  writeNonce: z.string(),
  removeNonce: z.string(),
});

/** A ready Pod was deleted and the Service answered every request meanwhile. Watched from before the deletion. */
const SurvivesDeletion = z.strictObject({
  kind: z.literal("survives_deletion"),
  ...InNamespace,
  deployment: Name,
  service: Name,
  port: Port,
  path: HttpPath,
  whoField: z.string().default("hostname"),
  /** The deletion counts from so many replicas on. */
  replicas: z.int().min(2),
});

/** How a task is judged. Declared, so that every check has words for what was expected and found. */
export const Check = z.discriminatedUnion("kind", [
  UnitActive,
  UnitEnabled,
  FileSystem,
  PortReachable,
  PortAfterBoot,
  MachineHttp,
  Rollout,
  PodHttp,
  Service,
  Settings,
  SameData,
  SurvivesDeletion,
]);
export type Check = z.infer<typeof Check>;
export type CheckKind = Check["kind"];
export type CheckOf<K extends CheckKind> = Extract<Check, { kind: K }>;
