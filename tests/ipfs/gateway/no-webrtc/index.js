// In the place of @libp2p/webrtc, which needs native code; this gateway opens no connections.
export const webRTC = () => { throw new Error('no WebRTC here') }
export const webRTCDirect = webRTC
