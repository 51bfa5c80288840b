"""A real node beside the control plane: containerd, kubelet, kube-proxy and pods that run.

All of it lives in one pid namespace and one mount namespace, so that ending a single process ends
every container and drops every mount. The network is the one that the sandbox was started in.
"""
