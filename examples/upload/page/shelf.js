// What is to survive a reload: the files themselves, and how far they are. It lies in IndexedDB, which takes a `File` as it is.

const opened = new Promise((resolve) => {
  const request = indexedDB.open("tidewire-upload", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("files", { keyPath: "id" });
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => resolve(undefined); // a private window, perhaps: then nothing survives
});

/** Makes one request to the store. */
async function ask(mode, make) {
  const db = await opened;
  if (!db) return undefined;
  return new Promise((resolve) => {
    const transaction = db.transaction("files", mode);
    const request = make(transaction.objectStore("files"));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => resolve(undefined); // there is no room
  });
}

/** Entries are `{ id, file, url, paused }`. */
export const load = async () => (await ask("readonly", (store) => store.getAll())) ?? [];
export const save = (entry) => ask("readwrite", (store) => store.put(entry));
export const forget = (id) => ask("readwrite", (store) => store.delete(id));
