// The sandbox's control interface.

export class Sandbox {
  #url;

  constructor(url) {
    this.#url = new URL('_sandbox/', url);
  }

  async #ask(path, body) {
    const response = await fetch(new URL(path, this.#url), {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${answer.error}`);
    return answer;
  }

  faults(change) {
    return this.#ask('faults', change);
  }

  phone(number, action, body = {}) {
    return this.#ask(`phones/${number}/${action}`, body);
  }

  // Sends a file from a phone; gives the message's id.
  async sendFile(number, query, mime, bytes) {
    const path = `phones/${number}/file?${new URLSearchParams(query)}`;
    const response = await fetch(new URL(path, this.#url), { method: 'POST', headers: { 'content-type': mime }, body: bytes });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${answer.error}`);
    return answer.id;
  }

  // The bytes of a message's file, as the phone opens it.
  async file(number, id) {
    const response = await fetch(new URL(`phones/${number}/messages/${id}/file`, this.#url));
    if (!response.ok) throw new Error(`the file of ${id}: ${response.status} ${await response.text()}`);
    return Buffer.from(await response.arrayBuffer());
  }

  async messages(number) {
    return (await this.#ask(`phones/${number}/messages`)).messages;
  }

  // Who is seen typing or recording on a phone.
  async activity(number) {
    const { phones } = await this.#ask('phones');
    return phones.find((phone) => phone.number === number)?.activity ?? {};
  }

  async groups() {
    return (await this.#ask('groups')).groups;
  }

  async devices(number) {
    const { phones } = await this.#ask('phones');
    return phones.find((phone) => phone.number === number)?.devices.length ?? 0;
  }
}
