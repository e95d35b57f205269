import { randomInt, randomUUID } from "node:crypto";
import { LabError } from "../../sandboxes/errors.ts";
import type { Person, Store } from "../store/store.ts";
import { hashSecret, isSame, randomSecret } from "./signer.ts";

/** An unused instructor's link is worth nothing after this time. */
const TOKEN_MS = 7 * 24 * 3_600_000;

/** Read aloud in a room: no letter or digit that is taken for another. */
const CODE_CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789";
const CODE_LENGTH = 8;

export interface InvitationsDeps {
  store: Store;
  clock: () => Date;
  /** The settings' join code; one is made and kept where there is none. */
  joinCode: string | undefined;
}

/** Who may come in: learners by the course's code and a name, instructors by a token that works once. */
export class Invitations {
  readonly joinCode: string;
  readonly #store: Store;
  readonly #clock: () => Date;

  private constructor(deps: InvitationsDeps, joinCode: string) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.joinCode = joinCode;
  }

  static async load(deps: InvitationsDeps): Promise<Invitations> {
    return new Invitations(deps, deps.joinCode ?? (await deps.store.settingOr("join_code", randomCode())));
  }

  /**
   * A new learner. Two who give the same name are two people: a name proves nothing.
   * @throws LabError `forbidden` where the code is not this course's.
   */
  async join(code: string, name: string): Promise<Person> {
    if (!isSame(code.toLowerCase(), this.joinCode.toLowerCase()))
      throw new LabError("forbidden", "this join code is not the course's", {
        hint: "ask your instructor for the code or the link",
      });
    return await this.#add(name, "learner");
  }

  /** Makes a token for the instructor's link; the one before it no longer works. */
  async newInstructorToken(): Promise<string> {
    const token = randomSecret();
    const expiresAt = new Date(this.#clock().getTime() + TOKEN_MS);
    await this.#store.replaceToken({ hash: hashSecret(token), expiresAt });
    return token;
  }

  /** @throws LabError `forbidden` where the token is not valid or was used before. */
  async enterAsInstructor(token: string): Promise<Person> {
    if (!(await this.#store.spendToken(hashSecret(token), this.#clock())))
      throw new LabError("forbidden", "this instructor's link has been used or is too old", {
        hint: "restart the lab server; it prints a new one",
      });
    return await this.#add("Instructor", "instructor");
  }

  async #add(name: string, role: Person["role"]): Promise<Person> {
    const person = { id: randomUUID(), name, role, createdAt: this.#clock() };
    await this.#store.addPerson(person);
    return person;
  }
}

function randomCode(): string {
  return Array.from({ length: CODE_LENGTH }, () => CODE_CHARACTERS[randomInt(CODE_CHARACTERS.length)]).join(
    "",
  );
}
