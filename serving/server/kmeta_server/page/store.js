/** What was taught, kept in this browser (IndexedDB) by the name of the bundle. */

const STORE = "taught";

function database() {
  return new Promise((done, failed) => {
    const request = indexedDB.open(`kmeta ${location.pathname}`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
}

async function within(mode, action) {
  const opened = await database();
  try {
    return await new Promise((done, failed) => {
      const transaction = opened.transaction(STORE, mode);
      const request = action(transaction.objectStore(STORE));
      transaction.oncomplete = () => done(request.result);
      transaction.onerror = transaction.onabort = () => failed(transaction.error);
    });
  } finally {
    opened.close();
  }
}

export const load = (name) => within("readonly", (store) => store.get(name));
export const keep = (name, value) => within("readwrite", (store) => store.put(value, name));
export const drop = (name) => within("readwrite", (store) => store.delete(name));
