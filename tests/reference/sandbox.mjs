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

  async messages(number) {
    return (await this.#ask(`phones/${number}/messages`)).messages;
  }

  async groups() {
    return (await this.#ask('groups')).groups;
  }

  async devices(number) {
    const { phones } = await this.#ask('phones');
    return phones.find((phone) => phone.number === number)?.devices.length ?? 0;
  }
}
