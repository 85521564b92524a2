// The websocket to the simulated servers; its frames are those of wire.rs.
if (!window.__sandboxRefused)
  __d('SandboxWire', (require, exports) => {
    const { Emitter } = require('SandboxModels');
    const events = new Emitter();
    let socket = null;
    let lastRequest = 0;
    const answers = new Map();

    exports.events = events;
    exports.isOpen = () => socket?.readyState === WebSocket.OPEN;

    exports.open = () => {
      const one = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/chat`);
      socket = one;
      one.onopen = () => one === socket && events.trigger('open');
      one.onmessage = ({ data }) => {
        if (one !== socket) return;
        const frame = JSON.parse(data);
        if (frame.req !== undefined) {
          answers.get(frame.req)?.resolve(frame);
          answers.delete(frame.req);
        } else events.trigger(frame.t, frame);
      };
      one.onclose = () => {
        if (one !== socket) return;
        socket = null;
        for (const { reject } of answers.values()) reject(new Error('socket closed'));
        answers.clear();
        events.trigger('closed');
      };
    };

    // Leaves without word to anybody.
    exports.close = () => {
      const one = socket;
      socket = null;
      one?.close();
    };

    exports.send = (frame) => {
      if (!exports.isOpen()) return false;
      socket.send(JSON.stringify(frame));
      return true;
    };

    exports.ask = (frame) =>
      new Promise((resolve, reject) => {
        const req = ++lastRequest;
        if (!exports.send({ ...frame, req })) return reject(new Error('socket closed'));
        answers.set(req, { resolve, reject });
      });
  }, { stage: 'sandbox' });
