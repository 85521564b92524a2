// One line for each check; those after a failed one still run.

import assert from 'node:assert/strict';

export class Checks {
  #passed = 0;
  #failed = 0;

  async run(name, check) {
    try {
      const result = await check();
      this.#passed += 1;
      console.log(`ok ${this.#passed + this.#failed} ${name}`);
      return result;
    } catch (error) {
      this.fail(name, error);
      return undefined;
    }
  }

  fail(name, error) {
    this.#failed += 1;
    console.log(`not ok ${this.#passed + this.#failed} ${name}`);
    for (const line of String(error?.stack ?? error).split('\n')) console.log(`#   ${line}`);
  }

  equal(found, wanted) {
    assert.deepEqual(found, wanted);
  }

  match(found, pattern) {
    assert.match(String(found), pattern);
  }

  // Gives the process's exit code.
  summary() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    return this.#failed ? 1 : 0;
  }
}
