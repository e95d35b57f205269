import {
  AppsV1Api,
  CoreV1Api,
  DiscoveryV1Api,
  type Informer,
  KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  makeInformer,
} from "@kubernetes/client-node";
import { LabError } from "../../../sandboxes/errors.ts";
import type { ClusterState, Kind, KindMap } from "./cluster-state.ts";
import { KubeApi } from "./kube-api.ts";

/** An object came, changed or went. `before` is what it was when last seen. */
export interface ClusterChange {
  kind: Kind;
  namespace: string;
  object: KubernetesObject;
  before: KubernetesObject | undefined;
  isGone: boolean;
}

export interface ClusterViewOptions {
  /** The admin's; asked anew for each connection, since a repaired cluster may have moved. */
  kubeconfig: () => Promise<string>;
  /** Where the lab's checks look. */
  namespaces: readonly string[];
  /** Also called for each object of the first lists. */
  onChange: (change: ClusterChange) => void;
}

const HEALTH_MS = 3_000;
const LISTS_MS = 20_000;

type Lists = { [K in Kind]: { path: string; list: () => Promise<KubernetesListObject<KindMap[K]>> } };

/** One set of watches on one cluster, and what they have seen. It lasts until the first of them fails. */
export class ClusterView implements ClusterState, AsyncDisposable {
  readonly #options: ClusterViewOptions;
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #informers: Informer<KubernetesObject>[] = [];
  readonly #api: KubeApi;
  readonly #failed = Promise.withResolvers<never>();
  readonly config: KubeConfig;

  private constructor(options: ClusterViewOptions, config: KubeConfig) {
    this.#options = options;
    this.config = config;
    this.#api = new KubeApi(config);
    this.#failed.promise.catch(() => {});
  }

  /**
   * Connects and lists everything once.
   * @throws LabError `check_errored` when the API server does not answer.
   */
  static async connect(options: ClusterViewOptions): Promise<ClusterView> {
    const config = new KubeConfig();
    config.loadFromString(await options.kubeconfig());
    const view = new ClusterView(options, config);
    try {
      await view.ensureAnswering();
      const starts = ["", ...options.namespaces].flatMap((namespace) => view.#watch(namespace));
      const late = new Promise<never>((_, reject) =>
        setTimeout(
          () => reject(new LabError("check_errored", "the Kubernetes API is too slow to list")),
          LISTS_MS,
        ).unref(),
      );
      await Promise.race([Promise.all(starts), view.#failed.promise, late]);
    } catch (error) {
      await view[Symbol.asyncDispose]();
      throw error;
    }
    return view;
  }

  /** Rejects when a watch fails; what was seen is then getting old. */
  get failure(): Promise<never> {
    return this.#failed.promise;
  }

  list<K extends Kind>(kind: K, namespace = ""): KindMap[K][] {
    const prefix = `${kind}/${namespace}/`;
    return [...this.#objects]
      .filter(([key]) => key.startsWith(prefix))
      .map(([, object]) => object as KindMap[K]);
  }

  /** A watch that is quiet may be a watch that is dead. @throws LabError `check_errored` */
  async ensureAnswering(): Promise<void> {
    const { status, body } = await this.#api.get("/readyz", { timeoutMs: HEALTH_MS });
    if (status !== 200)
      throw new LabError("check_errored", `the Kubernetes API is not ready: ${body.slice(0, 80) || status}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.stop()));
  }

  #watch(namespace: string): Promise<void>[] {
    const lists = listsOf(this.config, namespace);
    const kinds = namespace === "" ? (["Node"] as const) : NAMESPACED;
    return kinds.map(async (kind) => {
      const { path, list } = lists[kind];
      const informer = makeInformer(
        this.config,
        path,
        list as () => Promise<KubernetesListObject<KubernetesObject>>,
      );
      this.#informers.push(informer);
      for (const verb of ["add", "update"] as const)
        informer.on(verb, (object) => this.#take(kind, namespace, object, false));
      informer.on("delete", (object) => this.#take(kind, namespace, object, true));
      informer.on("error", (cause) =>
        this.#failed.reject(new LabError("check_errored", `the watch of ${kind} ended`, { cause })),
      );
      await informer.start();
    });
  }

  #take(kind: Kind, namespace: string, object: KubernetesObject, isGone: boolean): void {
    const key = `${kind}/${namespace}/${object.metadata?.name}`;
    const before = this.#objects.get(key);
    if (isGone && !before) return;
    if (isGone) this.#objects.delete(key);
    else this.#objects.set(key, object);
    this.#options.onChange({ kind, namespace, object, before, isGone });
  }
}

const NAMESPACED = [
  "Deployment",
  "ReplicaSet",
  "Pod",
  "Service",
  "EndpointSlice",
  "ConfigMap",
  "Secret",
] as const satisfies Kind[];

function listsOf(config: KubeConfig, namespace: string): Lists {
  const core = config.makeApiClient(CoreV1Api);
  const apps = config.makeApiClient(AppsV1Api);
  const discovery = config.makeApiClient(DiscoveryV1Api);
  const within = { namespace };
  const path = (group: string, plural: string) => `/${group}/namespaces/${namespace}/${plural}`;
  return {
    Node: { path: "/api/v1/nodes", list: () => core.listNode() },
    Pod: { path: path("api/v1", "pods"), list: () => core.listNamespacedPod(within) },
    Service: { path: path("api/v1", "services"), list: () => core.listNamespacedService(within) },
    ConfigMap: { path: path("api/v1", "configmaps"), list: () => core.listNamespacedConfigMap(within) },
    Secret: { path: path("api/v1", "secrets"), list: () => core.listNamespacedSecret(within) },
    Deployment: {
      path: path("apis/apps/v1", "deployments"),
      list: () => apps.listNamespacedDeployment(within),
    },
    ReplicaSet: {
      path: path("apis/apps/v1", "replicasets"),
      list: () => apps.listNamespacedReplicaSet(within),
    },
    EndpointSlice: {
      path: path("apis/discovery.k8s.io/v1", "endpointslices"),
      list: () => discovery.listNamespacedEndpointSlice(within),
    },
  };
}
