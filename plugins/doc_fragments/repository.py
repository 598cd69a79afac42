# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Where the repository and its keyring are."""

    DOCUMENTATION = r"""
options:
  repository:
    description:
      - Where backups are kept. Without it the variable C(holdfast_repository) holds.
    type: dict
    suboptions:
      name:
        description: The repository's name, as its root has it. It is never renamed.
        type: str
        required: true
      url:
        description:
          - C(file:///absolute/path), or C(s3://bucket/prefix) for a bucket with object lock.
          - A repository on S3 needs the Python library C(botocore) on the controller, which comes with C(boto3).
            Credentials are taken from where botocore looks for them, E(AWS_ACCESS_KEY_ID) and so on,
            O(repository.profile), or a role of the machine; never from the inventory.
        type: str
        required: true
      endpoint_url:
        description:
          - The S3 server, C(https://host) or C(https://host:port). Without it AWS; endpoints that the AWS configuration
            names are not used.
          - Plain C(http://) is taken for loopback alone.
        type: str
      region:
        description: The region of the bucket. Without it that of the profile or E(AWS_REGION).
        type: str
      profile:
        description: A profile of the controller's AWS configuration. Without it E(AWS_PROFILE).
        type: str
      aws_ca_bundle:
        description:
          - PEM file of the CAs that are trusted for the server. Without it E(AWS_CA_BUNDLE), or the usual ones.
        type: path
      aws_config:
        description:
          - Settings of botocore, C(connect_timeout) (10) and C(read_timeout) (60) in seconds, C(proxies),
            C(use_dualstack_endpoint), C(use_fips_endpoint); and C(addressing_style), V(path), V(virtual) or V(auto).
          - Without C(proxies) the environment holds, E(HTTPS_PROXY) and E(NO_PROXY).
        type: dict
      assume_role_arn:
        description:
          - A role to assume with the credentials found. The name of its session holds run and change.
        type: str
      external_id:
        description: What the role's owner demands of whoever assumes it.
        type: str
      sts_endpoint_url:
        description: Where roles are assumed. Without it O(repository.endpoint_url), and AWS where that is not set.
        type: str
      replicas:
        description:
          - Other sites of this repository, each a place of its own with credentials of its own. Name, pin, root and
            keyring are those of the repository. See the guide C(docs/guide_replicas.md).
        type: list
        elements: dict
        suboptions:
          name:
            description: What people call it, and what O(read_from) names.
            type: str
            required: true
          url:
            description: Where it is, as O(repository.url).
            type: str
            required: true
          copied_by:
            description:
              - V(collection) where M(holdfast.config.replicate), and a run that waits, copy objects there; V(server)
                where the servers do that by themselves.
            type: str
            choices: [collection, server]
            default: collection
          wait:
            description:
              - Whether a recovery point counts as sealed only once it is there too, with all that it names.
              - Where it is not, the task that seals fails. The point stays sealed in the repository, and the next run
                or M(holdfast.config.replicate) brings it there.
            type: bool
            default: false
          required:
            description: Whether a task fails where O(repository.replicas[].wait) is not met; otherwise it warns.
            type: bool
            default: true
          wait_timeout:
            description: How long servers that copy by themselves are waited for, in seconds.
            type: float
            default: 600.0
          endpoint_url:
            description: As O(repository.endpoint_url).
            type: str
          region:
            description: As O(repository.region).
            type: str
          profile:
            description:
              - As O(repository.profile). Name one, or a role, so that no key of one site can do anything at the other.
            type: str
          aws_ca_bundle:
            description: As O(repository.aws_ca_bundle).
            type: path
          aws_config:
            description: As O(repository.aws_config).
            type: dict
          assume_role_arn:
            description: As O(repository.assume_role_arn).
            type: str
          external_id:
            description: As O(repository.external_id).
            type: str
          sts_endpoint_url:
            description: As O(repository.sts_endpoint_url).
            type: str
      keyring:
        description: Who seals, signs and opens. Verification without keys needs none.
        type: dict
        suboptions:
          type:
            description:
              - V(local) keeps keys in files, in halves that live in different places.
              - V(vault) keeps them in the Transit engine of HashiCorp Vault or OpenBao, which they never leave.
                It needs the Python library C(hvac) on the controller.
              - Its options have the names that C(community.hashi_vault) gives them; where one is not given
                C(ANSIBLE_HASHI_VAULT_...), C(HASHI_VAULT_...) and Vault's own variables hold. Secrets are no options.
                They are read from E(HASHI_VAULT_TOKEN), E(HASHI_VAULT_SECRET_ID), E(HASHI_VAULT_PASSWORD),
                E(HASHI_VAULT_JWT), or a file.
              - V(awskms) keeps them in AWS KMS. It needs C(botocore), and was tried on a stand-in alone, not on AWS.
                Its options are those of a repository on S3, from O(repository.keyring.endpoint_url) to the last, and
                not taken over from there. See the guide C(docs/guide_awskms.md).
            type: str
            choices: [local, vault, awskms]
            default: local
          path:
            description:
              - Of V(local) the folder that holds C(seal/) where backups run and C(open/) where restores run.
              - Of V(vault) and V(awskms) the owner's folder, with C(escrow/) until it goes offline. Nobody else needs
                one.
            type: path
          url:
            description:
              - The Vault, C(https://host:port). Without it E(VAULT_ADDR). Plain C(http://) is taken for loopback alone.
            type: str
          engine_mount_point:
            description: Where Transit is mounted. Without it V(transit).
            type: str
          auth_method:
            description:
              - How to log in, V(token), V(approle), V(jwt), V(cert), V(userpass) or V(ldap). Without it V(token).
              - V(jwt) with C(mount_point=kubernetes) is the login of Kubernetes. V(ldap) was tried on no server.
            type: str
          mount_point:
            description: Where the auth method is mounted. Without it the method's name.
            type: str
          role_id:
            description: The role id of V(approle), the role's name of V(jwt), or the certificate's name of V(cert).
            type: str
          username:
            description: Who logs in by V(userpass) or V(ldap).
            type: str
          namespace:
            description: A namespace of Vault Enterprise or OpenBao. Without it E(VAULT_NAMESPACE). Not tried.
            type: str
          ca_cert:
            description: PEM file of the CAs that are trusted for it. Without it E(VAULT_CACERT), or the usual ones.
            type: path
          validate_certs:
            description:
              - Whether its certificate is looked at. Who does not look gives the identity's token to whoever answers.
                Without it E(VAULT_SKIP_VERIFY), and else it is.
            type: bool
          timeout:
            description: How long to wait for each answer, in seconds. Without it 30.
            type: float
          retries:
            description: How often a call that is not answered is made again. Without it 3.
            type: int
          token_path:
            description: The folder of the token's file, where no variable has the token. Without it E(HOME).
            type: path
          token_file:
            description: The name of the token's file. Without it C(.vault-token), where C(vault login) puts it.
            type: str
          secret_id_file:
            description: A file with the secret id of V(approle), which others than its owner and group may not read.
            type: path
          password_file:
            description: A file with the password of V(userpass) or V(ldap), which others may not read.
            type: path
          jwt_file:
            description: A file with the JWT, as C(/var/run/secrets/kubernetes.io/serviceaccount/token).
            type: path
          cert_auth_public_key:
            description: PEM file of the certificate of V(cert).
            type: path
          cert_auth_private_key:
            description: PEM file of its private key, without a passphrase.
            type: path
          endpoint_url:
            description: The KMS, where it is not that of AWS for O(repository.keyring.region).
            type: str
          region:
            description: The region of the keys. Without it that of the profile, or E(AWS_DEFAULT_REGION).
            type: str
          profile:
            description: A profile of the controller's AWS configuration. Without it E(AWS_PROFILE).
            type: str
          aws_ca_bundle:
            description: As O(repository.aws_ca_bundle).
            type: path
          aws_config:
            description: As O(repository.aws_config), without C(addressing_style).
            type: dict
          assume_role_arn:
            description: A role to assume for the keys.
            type: str
          external_id:
            description: As O(repository.external_id).
            type: str
          sts_endpoint_url:
            description: As O(repository.sts_endpoint_url).
            type: str
      timestamp:
        description:
          - A time-stamp authority (RFC 3161) whose word on the time of each recovery point is kept beside it, and is
            verified offline. It needs the Python library C(rfc3161-client) on the controller.
        type: dict
        suboptions:
          url:
            description: Where it answers, C(http://) or C(https://), without a password.
            type: str
            required: true
          certificates:
            description: PEM file of the root certificates that are trusted for it, and of intermediates.
            type: path
            required: true
          required:
            description: Whether nothing is sealed without its word. Else a point without one is sealed, with a warning.
            type: bool
            default: false
          timeout:
            description: How long to wait for it, in seconds.
            type: float
            default: 10.0
          ca_path:
            description: PEM file of the CAs of an C(https://) URL, instead of the system's.
            type: path
  repository_id:
    description:
      - "The pin: the SHA-256 of a root link of the repository, as M(holdfast.config.repository) prints it. Without it
        the variable C(holdfast_repository_id) holds. Nothing but that module runs without a pin."
    type: str
  read_from:
    description:
      - The replica to read at instead of the repository, by its name in O(repository.replicas). Without it the variable
        C(holdfast_read_from) holds.
      - For M(holdfast.config.restore), M(holdfast.config.compare), M(holdfast.config.verify), and lists and checks of
        M(holdfast.config.record). Other tasks write, and refuse it.
      - The record of a restore is put to the repository where that answers, else to the replica, with a warning.
    type: str
  state_dir:
    description:
      - The folder of run folders on the controller. Without it the variable C(holdfast_state_dir), then the
        environment variable E(HOLDFAST_STATE_DIR), then C($XDG_STATE_HOME/holdfast).
    type: path
"""
