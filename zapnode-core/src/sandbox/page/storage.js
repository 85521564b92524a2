// What the page keeps: keys and login, messages, learned addresses (fact sheet §7). The login needs
// both homes, IndexedDB and Local Storage; with one of them lost it is gone, as a copied
// localStorage alone restores no session.
if (!window.__sandboxRefused)
  __d('SandboxStorage', (_require, exports) => {
    const names = { 'signal-storage': ['keys'], 'model-storage': ['message', 'lidmap', 'reaction', 'group', 'pin', 'vote'] };
    const home = Object.fromEntries(Object.entries(names).flatMap(([name, stores]) => stores.map((store) => [store, name])));
    const open = {};
    let memory = null; // stands in where the profile's folder is gone

    function openOne(name) {
      return new Promise((resolve, reject) => {
        const request = indexedDB.open(name, 3);
        request.onupgradeneeded = () => {
          const there = request.result.objectStoreNames;
          for (const store of names[name]) if (!there.contains(store)) request.result.createObjectStore(store, { keyPath: 'id' });
        };
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
        request.onblocked = () => reject(new Error('blocked'));
      });
    }

    exports.start = async () => {
      try {
        for (const name of Object.keys(names)) open[name] = await openOne(name);
      } catch (error) {
        console.warn('storage_initialization_error', error);
        memory = new Map();
      }
    };

    function request(store, act, mode = 'readonly') {
      return new Promise((resolve, reject) => {
        const transaction = open[home[store]].transaction(store, mode, { durability: 'relaxed' });
        const one = act(transaction.objectStore(store));
        transaction.oncomplete = () => resolve(one?.result);
        transaction.onerror = transaction.onabort = () => reject(transaction.error);
      });
    }

    exports.get = async (store, id) => {
      if (memory) return memory.get(`${store}/${id}`);
      return request(store, (one) => one.get(id));
    };
    exports.all = async (store) => {
      if (memory) return [...memory].filter(([key]) => key.startsWith(`${store}/`)).map(([, value]) => value);
      return request(store, (one) => one.getAll());
    };

    // Writes are gathered while one is under way: a burst of messages is a few transactions, and
    // nobody's ack waits for the disk.
    let waiting = new Map();
    let writing = null;
    let cleared = false;

    async function write() {
      while (waiting.size && !cleared) {
        const batch = waiting;
        waiting = new Map();
        if (memory) {
          for (const [key, { record }] of batch) {
            if (record) memory.set(key, record);
            else memory.delete(key);
          }
          continue;
        }
        const stores = Map.groupBy(batch.values(), (one) => one.store);
        for (const [store, records] of stores) {
          await request(
            store,
            (one) => {
              for (const { id, record } of records) {
                if (record) one.put(record);
                else one.delete(id);
              }
            },
            'readwrite',
          ).catch((error) => console.warn('not stored', error));
        }
      }
      writing = null;
    }

    function enqueue(store, id, record) {
      if (cleared) return;
      waiting.set(`${store}/${id}`, { store, id, record });
      writing ??= Promise.resolve().then(write);
    }
    exports.put = (store, record) => enqueue(store, record.id, record);
    exports.drop = (store, id) => enqueue(store, id, null);
    // Everything put so far is stored.
    exports.stored = async () => {
      while (writing) await writing;
    };

    exports.empty = async (stores) => {
      if (memory) return;
      for (const store of stores) await request(store, (one) => one.clear(), 'readwrite').catch(() => {});
    };
    // After a logout: everything goes, and nothing is written any more.
    exports.clear = async () => {
      cleared = true;
      localStorage.clear();
      await exports.empty(Object.keys(home));
    };
  }, { stage: 'sandbox' });
