import ssh2 from "ssh2";

/** An Ed25519 pair: the private key in OpenSSH's format, the public key as a line of `authorized_keys`. */
export interface SshKeys {
  private: string;
  public: string;
}

/**
 * Makes a key pair. One of 256 that ssh2 1.17 makes is malformed: where the public key begins with a zero byte it drops
 * that byte (its lib/keygen.js).
 */
export function makeSshKeys(comment: string): SshKeys {
  for (;;) {
    const keys = ssh2.utils.generateKeyPairSync("ed25519", { comment });
    if (!(ssh2.utils.parseKey(keys.private) instanceof Error)) return keys;
  }
}
