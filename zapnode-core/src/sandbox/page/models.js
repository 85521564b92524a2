// Emitters, models and collections in the manner of Backbone (fact sheet §0.2).
if (!window.__sandboxRefused)
  __d('SandboxModels', (_require, exports) => {
    class Emitter {
      #listeners = new Map();

      on(names, listener, context) {
        for (const name of names.split(/\s+/)) {
          if (!this.#listeners.has(name)) this.#listeners.set(name, []);
          this.#listeners.get(name).push({ listener, context });
        }
        return this;
      }

      once(names, listener, context) {
        const wrapped = (...args) => {
          this.off(names, wrapped);
          listener.apply(context ?? this, args);
        };
        wrapped.original = listener;
        return this.on(names, wrapped, context);
      }

      off(names, listener) {
        if (!names) this.#listeners.clear();
        else
          for (const name of names.split(/\s+/)) {
            const kept = listener
              ? (this.#listeners.get(name) ?? []).filter(
                  (one) => one.listener !== listener && one.listener.original !== listener,
                )
              : [];
            this.#listeners.set(name, kept);
          }
        return this;
      }

      trigger(name, ...args) {
        // A copy: listeners come and go while they are called. One that throws is reported, and
        // the others are still called.
        for (const { listener, context } of [...(this.#listeners.get(name) ?? [])]) {
          try {
            listener.apply(context ?? this, args);
          } catch (error) {
            reportError(error);
          }
        }
        return this;
      }
    }

    // A model's fields are own accessors, so that writing one is a change with its events.
    class Model extends Emitter {
      static fields = [];

      constructor(values = {}) {
        super();
        Object.defineProperty(this, 'attributes', { value: {}, enumerable: false });
        for (const field of this.constructor.fields) this.#declare(field);
        for (const [field, value] of Object.entries(values)) {
          this.#declare(field);
          this.attributes[field] = value;
        }
      }

      #declare(field) {
        if (Object.hasOwn(this, field)) return;
        Object.defineProperty(this, field, {
          enumerable: true,
          configurable: true,
          get: () => this.attributes[field],
          set: (value) => this.set({ [field]: value }),
        });
      }

      set(values) {
        let changed = false;
        for (const [field, value] of Object.entries(values)) {
          this.#declare(field);
          const previous = this.attributes[field];
          if (Object.is(previous, value)) continue;
          this.attributes[field] = value;
          changed = true;
          this.tell(`change:${field}`, value, previous);
        }
        if (changed) this.tell('change');
        return this;
      }

      // Its own listeners first, then its collection's.
      tell(name, ...args) {
        this.trigger(name, this, ...args);
        this.collection?.trigger(name, this, ...args);
      }

      unsafe() {
        return this;
      }

      // One level deep, as the real one: ids in it are the live ones.
      serialize() {
        const copy = {};
        for (const [field, value] of Object.entries(this.attributes))
          if (value !== undefined)
            copy[field] = value instanceof Model || value instanceof Collection ? value.serialize() : value;
        return copy;
      }
    }

    class Collection extends Emitter {
      constructor(modelClass = Model) {
        super();
        Object.defineProperty(this, 'modelClass', { value: modelClass });
        Object.defineProperty(this, 'index', { value: new Map() });
      }

      get length() {
        return this.index.size;
      }

      get(id) {
        return id === undefined || id === null ? undefined : this.index.get(String(id));
      }

      // Several collections may hold a model; the first one is the one that tells of its changes.
      add(given) {
        for (const one of Array.isArray(given) ? given : [given]) {
          const model = one instanceof Model ? one : new this.modelClass(one);
          const key = String(model.id);
          if (this.index.has(key)) continue;
          this.index.set(key, model);
          if (!model.collection) Object.defineProperty(model, 'collection', { value: this, writable: true });
          this.trigger('add', model);
        }
        return given;
      }

      remove(given) {
        const model = this.get(given?.id ?? given);
        if (!model) return;
        this.index.delete(String(model.id));
        this.trigger('remove', model);
      }

      gadd(id, options) {
        const known = this.get(id);
        if (known) return known;
        const model = new this.modelClass({ id });
        this.index.set(String(id), model);
        Object.defineProperty(model, 'collection', { value: this, writable: true });
        if (!options?.silent) this.trigger('add', model);
        return model;
      }

      async find(id) {
        await null;
        return this.get(id) ?? this.gadd(id, { silent: true });
      }

      async update(id) {
        return this.find(id);
      }

      getModelsArray() {
        return [...this.index.values()];
      }

      filter(predicate) {
        return this.getModelsArray().filter(predicate);
      }

      map(change) {
        return this.getModelsArray().map(change);
      }

      forEach(visit) {
        this.getModelsArray().forEach(visit);
      }

      serialize() {
        return this.getModelsArray().map((model) => model.serialize());
      }
    }

    Object.assign(exports, { Emitter, Model, Collection });
  }, { stage: 'sandbox' });
